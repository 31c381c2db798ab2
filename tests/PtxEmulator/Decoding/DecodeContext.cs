namespace PtxEmulator.Decoding;

/// <summary>The statement to decode and the locations of its operands.</summary>
internal sealed class DecodeContext(CodeBuilder builder, Frame frame, Statement statement)
{
    public CodeBuilder Builder => builder;

    public Statement Statement => statement;

    public Frame Frame => frame;

    public string Name => statement.Name;

    public int OperandCount => statement.Operands.Count;

    public bool Has(string modifier) => statement.Has(modifier);

    public Operand Operand(int index) => index < statement.Operands.Count ? statement.Operands[index]
        : throw statement.Error($"operand {index + 1} is missing");

    /// <summary>A source register of exactly the width of <paramref name="type"/>.</summary>
    public int Source(int index, PtxType type) => Source(Operand(index), type);

    public int Source(Operand operand, PtxType type)
    {
        LaneSlot slot = LaneSource(operand, type);
        if (slot.LaneBytes != type.LaneBytes)
            throw statement.Error($"the operand {operand} is not as wide as the instruction's type");
        return slot.Slot;
    }

    /// <summary>A source register of any width.</summary>
    public LaneSlot LaneSource(int index, PtxType type) => LaneSource(Operand(index), type);

    public LaneSlot LaneSource(Operand operand, PtxType type)
    {
        int laneBytes = type.LaneBytes;
        switch (operand)
        {
            case RegisterOperand { Register.Type.IsPredicate: false } register:
                return new LaneSlot(frame.SlotOf(register.Register, builder), register.Register.Type.LaneBytes);
            case ImmediateOperand literal:
                return new LaneSlot(builder.Constant(Literals.ToBits(literal, type), laneBytes), laneBytes);
            case VariableOperand variable:
                return new LaneSlot(builder.AddressOf(frame.Resolve(variable.Variable), variable.Offset, laneBytes),
                    laneBytes);
            case SpecialOperand special when ConstantFiller.IsKnown(special.Name):
                return new LaneSlot(builder.Special(special.Name, laneBytes), laneBytes);
            case SpecialOperand special:
                throw statement.Error($"the register '{special.Name}' is not supported");
            case NameOperand name:
                throw statement.Error($"'{name.Name}' is not declared");
            default:
                throw statement.Error("the operand is not a value");
        }
    }

    /// <summary>A destination register of exactly the width of <paramref name="type"/>.</summary>
    public int Destination(int index, PtxType type)
    {
        LaneSlot slot = LaneDestination(Operand(index));
        if (slot.LaneBytes != type.LaneBytes)
            throw statement.Error($"the destination is not as wide as the instruction's type ({type.TotalBits} bits)");
        return slot.Slot;
    }

    /// <summary>A destination register of any width; the slot is negative for a sink.</summary>
    public LaneSlot LaneDestination(int index) => LaneDestination(Operand(index));

    public LaneSlot LaneDestination(Operand operand) => operand switch
    {
        RegisterOperand { Register.Type.IsPredicate: false } register
            => new LaneSlot(frame.SlotOf(register.Register, builder), register.Register.Type.LaneBytes),
        SinkOperand => new LaneSlot(-1, sizeof(uint)),
        _ => throw statement.Error("the destination is not a register"),
    };

    /// <summary>A predicate source and whether it is negated.</summary>
    public (int Slot, uint Flip) Predicate(Operand operand) => operand switch
    {
        RegisterOperand { Register.Type.IsPredicate: true } register
            => (frame.SlotOf(register.Register, builder), 0),
        NegatedOperand negated => (Predicate(negated.Operand).Slot, ~Predicate(negated.Operand).Flip),
        ImmediateOperand literal => (builder.True, literal.Bits == 0 ? Lanes.All : 0),
        _ => throw statement.Error("the operand is not a predicate"),
    };

    public (int Slot, uint Flip) Predicate(int index) => Predicate(Operand(index));

    /// <summary>A predicate destination; negative for a sink.</summary>
    public int PredicateDestination(Operand operand) => operand switch
    {
        RegisterOperand { Register.Type.IsPredicate: true } register => frame.SlotOf(register.Register, builder),
        SinkOperand => -1,
        _ => throw statement.Error("the destination is not a predicate"),
    };

    /// <summary>The elements of a vector operand; a scalar operand is a vector of one element.</summary>
    public IReadOnlyList<Operand> Elements(int index)
        => Operand(index) is VectorOperand vector ? vector.Elements : [Operand(index)];

    public bool IsPredicate(int index) => Operand(index) switch
    {
        RegisterOperand register => register.Register.Type.IsPredicate,
        NegatedOperand => true,
        _ => false,
    };

    public AddressSource Address(int index)
    {
        if (Operand(index) is not AddressOperand address)
            throw statement.Error("expected an address in brackets");
        if (address.Base is VariableOperand variable)
        {
            return new AddressSource(builder.AddressOf(frame.Resolve(variable.Variable),
                variable.Offset + address.Offset, sizeof(ulong)), sizeof(ulong), 0);
        }
        LaneSlot slot = LaneSource(address.Base, PtxType.B64);
        return new AddressSource(slot.Slot, slot.LaneBytes, address.Offset);
    }

    /// <summary>The value of an operand that must be a literal.</summary>
    public long Literal(int index) => Operand(index) is ImmediateOperand { Type.IsFloat: false } literal
        ? (long)literal.Bits : throw statement.Error($"operand {index + 1} must be a number");

    public Label Label(Operand operand) => operand is NameOperand name && frame.FindLabel(name.Name) is { } label
        ? label : throw statement.Error("the branch target is not a label of this function");

    /// <summary>An instruction that processes one thread at a time, with up to three sources of one type.</summary>
    public ScalarInstruction Scalar(PtxType type, LaneOperation operation)
        => Scalar(operation, OperandCount > 1 ? LaneSource(1, type) : Zero, OperandCount > 2 ? LaneSource(2, type)
            : Zero, OperandCount > 3 ? LaneSource(3, type) : Zero);

    public ScalarInstruction Scalar(LaneOperation operation, LaneSlot a, LaneSlot b = default, LaneSlot c = default)
    {
        LaneSlot destination = LaneDestination(0);
        if (destination.Slot < 0)
            throw statement.Error("the destination is not a register");
        return new ScalarInstruction(operation, destination, a, b.LaneBytes == 0 ? Zero : b,
            c.LaneBytes == 0 ? Zero : c);
    }

    public LaneSlot Zero => new(builder.Constant(0, sizeof(uint)), sizeof(uint));
}
