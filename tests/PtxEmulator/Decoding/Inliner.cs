namespace PtxEmulator.Decoding;

/// <summary>Decodes an entry and inlines each function that it calls.</summary>
internal sealed class Inliner(IReadOnlyDictionary<string, Function> functions, CodeBuilder builder)
{
    private readonly Contractions _contractions = new();

    public void AddEntry(Function entry) => AddBody(new Frame(entry, null));

    private void AddBody(Frame frame)
    {
        Function function = frame.Function;
        ILookup<int, string> labels = function.Labels.ToLookup(pair => pair.Value, pair => pair.Key);
        for (int index = 0; index <= function.Body.Count; index++)
        {
            foreach (string label in labels[index])
            {
                frame.FindLabel(label)!.Index = builder.Instructions.Count;
                _contractions.Clear();
            }
            if (index < function.Body.Count)
                AddStatement(frame, function.Body[index]);
        }
        if (frame.Caller == null)
            Add(new ExitInstruction(), null);
        frame.End.Index = builder.Instructions.Count;
    }

    private void AddStatement(Frame frame, Statement statement)
    {
        var context = new DecodeContext(builder, frame, statement);
        if (statement.Name == "call")
        {
            AddCall(context);
            return;
        }
        bool isReturn = statement.Name == "ret" && frame.Caller != null;
        Instruction instruction = isReturn ? new BranchInstruction(frame.End) : Decoder.Decode(context);
        Add(_contractions.Note(context, instruction), context);
    }

    private void Add(Instruction instruction, DecodeContext? context)
    {
        instruction.Source = context?.Statement;
        instruction.Guard = builder.True;
        if (context?.Statement.Guard is { } guard)
        {
            (instruction.Guard, instruction.GuardFlip) = context.Predicate(guard);
            instruction.IsGuarded = true;
        }
        builder.Instructions.Add(instruction);
        if (builder.Target.IsHopper && context != null)
        {
            builder.AccessedRegisters[instruction] = [.. context.Statement.Operands.SelectMany(operand
                => operand.Registers).Select(register => context.Frame.SlotOf(register, builder))];
        }
    }

    private void AddCall(DecodeContext context)
    {
        Statement statement = context.Statement;
        List<Operand> operands = [.. statement.Operands];
        IReadOnlyList<Operand> results = TakeList(operands);
        if (operands.Count == 0 || operands[0] is not NameOperand { Name: string name })
            throw statement.Error("only calls of named functions are supported");
        operands.RemoveAt(0);
        IReadOnlyList<Operand> arguments = TakeList(operands);
        if (!functions.TryGetValue(name, out Function? function) || function.IsEntry)
            throw statement.Error($"the function '{name}' has no body");
        for (Frame? caller = context.Frame; caller != null; caller = caller.Caller)
        {
            if (caller.Function == function)
                throw statement.Error($"the function '{name}' calls itself; recursion is not supported");
        }
        if (results.Count != function.Results.Count || arguments.Count != function.Parameters.Count)
        {
            throw statement.Error($"'{name}' expects {function.Parameters.Count} arguments and returns "
                + $"{function.Results.Count} results");
        }

        var frame = new Frame(function, context.Frame);
        // The call counts as one instruction; threads with a false guard skip the function.
        Instruction call = statement.Guard == null ? new NoInstruction() : new BranchInstruction(frame.End);
        Add(call, context);
        if (statement.Guard != null)
            call.GuardFlip = ~call.GuardFlip;
        for (int index = 0; index < arguments.Count; index++)
            Pass(context, frame, function.Parameters[index], arguments[index], isResult: false);
        for (int index = 0; index < results.Count; index++)
            Bind(context, frame, function.Results[index], results[index]);
        _contractions.Clear();
        AddBody(frame);
        _contractions.Clear();
        for (int index = 0; index < results.Count; index++)
            Pass(context, frame, function.Results[index], results[index], isResult: true);
    }

    /// <summary>Copies an argument or a result that is a register. Arguments and results in memory are bound
    /// instead.</summary>
    private void Pass(DecodeContext context, Frame frame, Variable parameter, Operand operand, bool isResult)
    {
        if (parameter.Register is not { } register)
        {
            if (!isResult)
                Bind(context, frame, parameter, operand);
            return;
        }
        int inner = frame.SlotOf(register, builder);
        int outer = isResult ? context.LaneDestination(operand).Slot : context.Source(operand, parameter.Type);
        (int destination, int source) = isResult ? (outer, inner) : (inner, outer);
        Instruction move = parameter.Type.LaneBytes == sizeof(ulong)
            ? new UnaryInstruction<Copy<ulong>, ulong>(destination, source)
            : new UnaryInstruction<Copy<uint>, uint>(destination, source);
        Add(move, null);
        if (builder.Target.IsHopper)
            builder.AccessedRegisters[move] = [destination, source];
    }

    private static void Bind(DecodeContext context, Frame frame, Variable parameter, Operand operand)
    {
        if (parameter.Register != null)
            return;
        if (operand is not VariableOperand { Offset: 0 } variable)
            throw context.Statement.Error($"the argument for '{parameter.Name}' must be a .param variable");
        frame.Bind(parameter, context.Frame.Resolve(variable.Variable));
    }

    private static IReadOnlyList<Operand> TakeList(List<Operand> operands)
    {
        if (operands.Count == 0 || operands[0] is not ListOperand list)
            return [];
        operands.RemoveAt(0);
        return list.Elements;
    }
}
