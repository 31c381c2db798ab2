using PtxEmulator.Numerics;

namespace PtxEmulator.Decoding;

/// <summary><c>cvt</c>.</summary>
internal static class ConvertDecoder
{
    private const double SmallestNormal = 1.1754943508222875e-38;

    public static Instruction Decode(DecodeContext context)
    {
        Statement statement = context.Statement;
        statement.Allow("rn", "rz", "rm", "rp", "rna", "rni", "rzi", "rmi", "rpi", "ftz", "sat", "relu");
        IReadOnlyList<PtxType> types = statement.Types;
        if (types.Count != 2)
            throw statement.Unknown();
        (PtxType to, PtxType from) = (types[0], types[1]);
        if (to.Count == 2)
            return PackPair(context, to, from);
        statement.Expect(2, 2);
        RequireWidth(context, context.LaneSource(1, from), from);
        RequireWidth(context, context.LaneDestination(0), to);
        return DecodeVector(context, to, from) ?? context.Scalar(Operation(statement, to, from),
            context.LaneSource(1, from));
    }

    /// <summary>Checks that a register is at least as wide as a type.</summary>
    private static void RequireWidth(DecodeContext context, LaneSlot slot, PtxType type)
    {
        if (slot.LaneBytes < type.LaneBytes)
            throw context.Statement.Error($"a register is narrower than its type of {type.Bits} bits");
    }

    private static LaneOperation Operation(Statement statement, PtxType to, PtxType from)
        => (to.IsFloat, from.IsFloat) switch
        {
            (false, false) => IntegerToInteger(statement, to, from),
            (true, false) => IntegerToFloat(statement, to, from),
            (false, true) => FloatToInteger(statement, to, from),
            _ => FloatToFloat(statement, to, from),
        };

    /// <summary>The conversions of addresses and indices; null for all other conversions.</summary>
    private static Instruction? DecodeVector(DecodeContext context, PtxType to, PtxType from)
    {
        LaneSlot source = context.LaneSource(1, from);
        LaneSlot destination = context.LaneDestination(0);
        bool isPlain = source.LaneBytes == from.LaneBytes && destination.LaneBytes == to.LaneBytes
            && from.Bits >= 32 && to.Bits >= 32 && !context.Has("sat") && destination.Slot >= 0;
        if (!isPlain || !from.IsInteger)
            return null;
        if (to.IsInteger)
        {
            return (to.Bits, from.Bits) switch
            {
                (64, 32) => new WideInstruction(destination.Slot, source.Slot, null, null, from.IsSigned),
                (32, 64) => new NarrowInstruction(destination.Slot, source.Slot),
                (64, _) => new UnaryInstruction<Copy<ulong>, ulong>(destination.Slot, source.Slot),
                _ => new UnaryInstruction<Copy<uint>, uint>(destination.Slot, source.Slot),
            };
        }
        return to == PtxType.F32 && from is { Bits: 32, IsSigned: true } && context.Has("rn")
            ? new UnaryInstruction<IntegerToSingle, uint>(destination.Slot, source.Slot) : null;
    }

    private static Int128 Decode(ulong bits, PtxType type)
        => type.IsSigned ? Bits.SignExtend(bits, type.Bits) : bits & Bits.Mask(type.Bits);

    /// <summary>Clamps an integer to the range of a type and sign-extends it to the width of a register.</summary>
    private static ulong EncodeClamped(Int128 value, PtxType type)
    {
        Int128 least = type.IsSigned ? -(Int128.One << (type.Bits - 1)) : 0;
        Int128 most = (Int128.One << (type.IsSigned ? type.Bits - 1 : type.Bits)) - 1;
        return (ulong)Int128.Clamp(value, least, most);
    }

    private static LaneOperation IntegerToInteger(Statement statement, PtxType to, PtxType from)
    {
        if (statement.Has("sat"))
            return (a, _, _) => EncodeClamped(Decode(a, from), to);
        return to.IsSigned ? (a, _, _) => (ulong)Bits.SignExtend((ulong)Decode(a, from), to.Bits)
            : (a, _, _) => (ulong)Decode(a, from) & Bits.Mask(to.Bits);
    }

    private static LaneOperation IntegerToFloat(Statement statement, PtxType to, PtxType from)
    {
        statement.RequireOneOf("rn", "rz", "rm", "rp");
        Rounding rounding = FloatDecoder.RoundingOf(statement);
        var format = FloatFormat.Of(to);
        bool isSaturated = statement.Has("sat");
        return (a, _, _) =>
        {
            Int128 integer = Decode(a, from);
            var value = (double)integer;
            double residual = (double)(integer - (Int128)value);
            return format.Encode(isSaturated ? Math.Clamp(value, 0, 1) : value, rounding, isSaturated ? 0 : residual);
        };
    }

    private static Func<double, double>? RoundingToInteger(Statement statement)
        => statement.Has("rni") ? value => Math.Round(value, MidpointRounding.ToEven)
            : statement.Has("rzi") ? Math.Truncate
            : statement.Has("rmi") ? Math.Floor
            : statement.Has("rpi") ? Math.Ceiling : null;

    private static LaneOperation FloatToInteger(Statement statement, PtxType to, PtxType from)
    {
        Func<double, double> round = RoundingToInteger(statement)
            ?? throw statement.Error("a conversion to an integer needs .rni, .rzi, .rmi or .rpi");
        var format = FloatFormat.Of(from);
        double threshold = statement.Has("ftz") ? SmallestNormal : 0;
        return (a, _, _) =>
        {
            double value = ExactMath.FlushSubnormal(format.Decode(a), threshold);
            // All types clamp values beyond 2^65, and Int128 represents all smaller values.
            return double.IsNaN(value) ? 0 : EncodeClamped((Int128)Math.Clamp(round(value), -4e19, 4e19), to);
        };
    }

    private static LaneOperation FloatToFloat(Statement statement, PtxType to, PtxType from)
    {
        Func<double, double>? integer = RoundingToInteger(statement);
        Rounding rounding = FloatDecoder.RoundingOf(statement);
        bool isNarrowing = to.Bits < from.Bits || to.Kind is PtxTypeKind.BFloat or PtxTypeKind.TensorFloat;
        bool hasRounding = rounding != Rounding.NearestEven || statement.Has("rn");
        if (isNarrowing && !hasRounding)
            throw statement.Error("a conversion to a narrower float needs a rounding modifier");
        bool isSaturated = statement.Has("sat");
        bool isRectified = statement.Has("relu");
        bool isFlushed = statement.Has("ftz");
        var source = FloatFormat.Of(from);
        var target = FloatFormat.Of(to);
        return (a, _, _) =>
        {
            double value = source.Decode(a);
            if (isFlushed && from.Bits == 32)
                value = ExactMath.FlushSubnormal(value, SmallestNormal);
            if (integer != null)
                value = integer(value);
            if (isSaturated)
                value = value > 0 ? Math.Min(value, 1) : 0;
            if (isRectified && value < 0)
                value = 0;
            ulong result = target.Encode(value, rounding);
            return isFlushed && to.Bits == 32 && (result & 0x7f80_0000) == 0 ? result & 0x8000_0000 : result;
        };
    }

    /// <summary>Packs two float32 values; the first operand becomes the high half.</summary>
    private static ScalarInstruction PackPair(DecodeContext context, PtxType to, PtxType from)
    {
        context.Statement.Expect(3, 3);
        if (from != PtxType.F32)
            throw context.Statement.Unknown();
        LaneOperation convert = FloatToFloat(context.Statement, to with { Count = 1 }, from);
        return context.Scalar(from, (high, low, _) => (convert(high, 0, 0) << 16) | convert(low, 0, 0));
    }
}
