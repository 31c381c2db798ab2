namespace PtxEmulator.Decoding;

/// <summary>Branches, ends and barriers.</summary>
internal static class FlowDecoder
{
    public static Instruction Decode(DecodeContext context)
    {
        Statement statement = context.Statement;
        switch (context.Name)
        {
            case "bra":
                statement.Allow("uni");
                return new BranchInstruction(context.Label(context.Operand(0)));
            case "brx":
                return IndexedBranch(context);
            case "ret" or "exit":
                statement.Allow("uni");
                return new ExitInstruction();
            case "trap" or "brkpt":
                return new TrapInstruction();
            case "membar" or "fence":
                statement.Allow("cta", "gl", "gpu", "sys", "sc", "acq_rel", "proxy", "async", "alias", "acquire",
                    "release", "cluster");
                return new NoInstruction();
            case "nanosleep":
                return new NoInstruction();
            case "griddepcontrol":
                return Dependency(context);
            default:
                return Barrier(context);
        }
    }

    /// <summary><c>griddepcontrol</c>. Launches run one after the other, so that a permission to begin has no
    /// effect.</summary>
    private static Instruction Dependency(DecodeContext context)
    {
        Statement statement = context.Statement;
        context.Builder.Target.RequireDependencies(statement);
        statement.Expect(0, 0);
        return statement.Parts switch
        {
            [_, "wait"] => new DependencyWaitInstruction(),
            [_, "launch_dependents"] => new NoInstruction(),
            _ => throw statement.Unknown(),
        };
    }

    private static IndexedBranchInstruction IndexedBranch(DecodeContext context)
    {
        context.Statement.Allow("idx", "uni");
        if (context.Operand(1) is not NameOperand list
            || !context.Frame.Function.BranchTargets.TryGetValue(list.Name, out string[]? targets))
        {
            throw context.Statement.Error("the list of branch targets is not declared");
        }
        return new IndexedBranchInstruction([.. targets.Select(target => context.Label(new NameOperand(target)))],
            context.Source(0, PtxType.U32));
    }

    private static Instruction Barrier(DecodeContext context)
    {
        Statement statement = context.Statement;
        if (context.Has("warp"))
        {
            statement.Allow("warp", "sync");
            return new WarpBarrierInstruction(context.Source(0, PtxType.B32));
        }
        statement.Allow("cta", "sync", "arrive", "red", "aligned", "popc", "and", "or");
        if (context.Has("red"))
            return ReducingBarrier(context);
        bool isArrival = context.Has("arrive");
        if (!isArrival && !context.Has("sync"))
            throw statement.Unknown();
        statement.Expect(isArrival ? 2 : 1, 2);
        return new BarrierInstruction
        {
            Id = context.Source(0, PtxType.U32),
            ThreadCount = context.OperandCount > 1 ? context.Source(1, PtxType.U32) : null,
            IsWaiting = !isArrival,
        };
    }

    private static BarrierInstruction ReducingBarrier(DecodeContext context)
    {
        context.Statement.Expect(3, 4);
        bool isCount = context.Has("popc");
        (int predicate, uint flip) = context.Predicate(context.OperandCount - 1);
        return new BarrierInstruction
        {
            Id = context.Source(1, PtxType.U32),
            ThreadCount = context.OperandCount > 3 ? context.Source(2, PtxType.U32) : null,
            IsWaiting = true,
            Reduction = isCount ? BarrierReduction.Count
                : context.Has("and") ? BarrierReduction.And : BarrierReduction.Or,
            Destination = isCount ? context.Destination(0, PtxType.U32)
                : context.PredicateDestination(context.Operand(0)),
            Predicate = predicate,
            PredicateFlip = flip,
        };
    }
}
