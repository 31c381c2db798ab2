using PtxEmulator.Memory;

namespace PtxEmulator.Decoding;

/// <summary>Moves between registers, and between address spaces.</summary>
internal static class MoveDecoder
{
    public static Instruction Decode(DecodeContext context)
    {
        PtxType type = context.Name == "isspacep" ? PtxType.B64 : context.Statement.Type;
        if (context.Name == "cvta")
            return ConvertAddress(context, type);
        if (context.Name == "isspacep")
            return TestSpace(context);
        context.Statement.Allow();
        context.Statement.Expect(2, 2);
        if (type.IsPredicate)
            return MovePredicate(context);
        if (context.Operand(1) is VectorOperand sources)
            return Pack(context, type, sources);
        if (context.Operand(0) is VectorOperand destinations)
            return Unpack(context, type, destinations);
        if (context.Operand(1) is SpecialOperand { Name: "%clock" or "%clock64" or "%clock_hi" or "%globaltimer" })
            return new ClockInstruction(context.LaneDestination(0));
        return Copy(context, type, context.Destination(0, type));
    }

    private static Instruction Copy(DecodeContext context, PtxType type, int destination)
    {
        int source = context.Source(1, type);
        return type.LaneBytes == sizeof(ulong) ? new UnaryInstruction<Copy<ulong>, ulong>(destination, source)
            : new UnaryInstruction<Copy<uint>, uint>(destination, source);
    }

    private static PredicateInstruction MovePredicate(DecodeContext context)
    {
        (int source, uint flip) = context.Predicate(1);
        return new PredicateInstruction((a, _) => a, context.PredicateDestination(context.Operand(0)), source, flip,
            context.Builder.True, 0);
    }

    private static PackInstruction Pack(DecodeContext context, PtxType type, VectorOperand sources)
    {
        int bits = type.TotalBits / sources.Elements.Count;
        var element = new PtxType(PtxTypeKind.Bits, bits);
        return new PackInstruction(context.LaneDestination(0),
            [.. sources.Elements.Select(source => context.LaneSource(source, element))], bits);
    }

    private static UnpackInstruction Unpack(DecodeContext context, PtxType type, VectorOperand destinations)
        => new([.. destinations.Elements.Select(context.LaneDestination)],
            type.TotalBits / destinations.Elements.Count, context.LaneSource(1, type));

    private static Instruction ConvertAddress(DecodeContext context, PtxType type)
    {
        context.Statement.Allow("to", "global", "shared", "local", "const", "param", "shared::cta", "param::entry");
        if (type.Bits != 64)
            throw context.Statement.Unknown();
        ulong window = context.Has("shared") || context.Has("shared::cta") ? AddressMap.Shared
            : context.Has("local") ? AddressMap.Local : 0;
        int destination = context.Destination(0, type);
        if (window == 0)
            return Copy(context, type, destination);
        ulong offset = context.Has("to") ? 0 - window : window;
        return new BinaryInstruction<Add<ulong>, ulong>(destination, context.Source(1, type),
            context.Builder.Constant(offset, sizeof(ulong)));
    }

    private static ScalarCompareInstruction TestSpace(DecodeContext context)
    {
        context.Statement.Allow("global", "shared", "local", "const", "shared::cta");
        Func<ulong, bool> test = context.Statement.Parts[1] switch
        {
            "shared" or "shared::cta" => AddressMap.IsShared,
            "local" => AddressMap.IsLocal,
            "global" => address => !AddressMap.IsShared(address) && !AddressMap.IsLocal(address),
            _ => throw context.Statement.Unknown(),
        };
        var target = new CompareTarget(context.PredicateDestination(context.Operand(0)), -1, context.Builder.True, 0,
            PredicateCombination.And);
        return new ScalarCompareInstruction((a, _, _) => test(a) ? 1ul : 0, target,
            context.LaneSource(1, PtxType.B64), context.Zero);
    }
}
