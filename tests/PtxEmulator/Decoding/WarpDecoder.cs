namespace PtxEmulator.Decoding;

/// <summary>Instructions that the threads of a warp execute together.</summary>
internal static class WarpDecoder
{
    public static Instruction Decode(DecodeContext context)
    {
        Statement statement = context.Statement;
        if (context.Name != "activemask" && !context.Has("sync"))
            throw statement.Unknown();
        switch (context.Name)
        {
            case "shfl":
                return Shuffle(context);
            case "vote":
                return Vote(context);
            case "match":
                return Match(context);
            case "redux":
                return Reduce(context);
            default:
                statement.Allow();
                return new ActiveMaskInstruction(context.Destination(0, PtxType.B32));
        }
    }

    private static ShuffleInstruction Shuffle(DecodeContext context)
    {
        Statement statement = context.Statement;
        statement.Allow("sync", "up", "down", "bfly", "idx");
        statement.Expect(5, 5);
        ShuffleMode mode = context.Has("up") ? ShuffleMode.Up : context.Has("down") ? ShuffleMode.Down
            : context.Has("bfly") ? ShuffleMode.Butterfly
            : context.Has("idx") ? ShuffleMode.Index : throw statement.Unknown();
        (Operand value, Operand predicate) = context.Operand(0) is PairOperand pair ? (pair.First, pair.Second)
            : (context.Operand(0), new SinkOperand());
        return new ShuffleInstruction(mode)
        {
            Destination = context.LaneDestination(value).Slot,
            InRange = context.PredicateDestination(predicate),
            Value = context.Source(1, PtxType.B32),
            Distance = context.Source(2, PtxType.B32),
            Clamp = context.Source(3, PtxType.B32),
            Members = context.Source(4, PtxType.B32),
        };
    }

    private static VoteInstruction Vote(DecodeContext context)
    {
        Statement statement = context.Statement;
        statement.Allow("sync", "all", "any", "uni", "ballot");
        statement.Expect(3, 3);
        VoteMode mode = context.Has("all") ? VoteMode.All : context.Has("any") ? VoteMode.Any
            : context.Has("uni") ? VoteMode.Uniform
            : context.Has("ballot") ? VoteMode.Ballot : throw statement.Unknown();
        (int predicate, uint flip) = context.Predicate(1);
        int destination = mode == VoteMode.Ballot ? context.Destination(0, PtxType.B32)
            : context.PredicateDestination(context.Operand(0));
        return new VoteInstruction(mode, destination, predicate, flip, context.Source(2, PtxType.B32));
    }

    private static MatchInstruction Match(DecodeContext context)
    {
        context.Statement.Allow("sync", "any", "all");
        context.Statement.Expect(3, 3);
        (Operand value, Operand predicate) = context.Operand(0) is PairOperand pair ? (pair.First, pair.Second)
            : (context.Operand(0), new SinkOperand());
        return new MatchInstruction(context.Has("all"), context.LaneDestination(value).Slot,
            context.PredicateDestination(predicate), context.LaneSource(1, context.Statement.Type),
            context.Source(2, PtxType.B32));
    }

    private static ReduceInstruction Reduce(DecodeContext context)
    {
        context.Statement.Allow("sync", "add", "min", "max", "and", "or", "xor");
        context.Statement.Expect(3, 3);
        bool isSigned = context.Statement.Type.IsSigned;
        Func<uint, uint, uint> operation = context.Statement.Parts.Skip(1).First(part => part != "sync") switch
        {
            "add" => (a, b) => a + b,
            "min" => isSigned ? (a, b) => (uint)Math.Min((int)a, (int)b) : Math.Min,
            "max" => isSigned ? (a, b) => (uint)Math.Max((int)a, (int)b) : Math.Max,
            "and" => (a, b) => a & b,
            "or" => (a, b) => a | b,
            "xor" => (a, b) => a ^ b,
            _ => throw context.Statement.Unknown(),
        };
        return new ReduceInstruction(operation, context.Destination(0, PtxType.B32), context.Source(1, PtxType.B32),
            context.Source(2, PtxType.B32));
    }
}
