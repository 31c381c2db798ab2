using PtxEmulator.Numerics;

namespace PtxEmulator.Decoding;

/// <summary>Arithmetic of float16 and bfloat16, alone and packed.</summary>
internal static class HalfDecoder
{
    public static Instruction Decode(DecodeContext context)
    {
        PtxType type = context.Statement.Type;
        context.Statement.Allow("rn", "ftz", "sat", "NaN", "xorsign", "abs", "relu");
        bool isTernary = context.Name == "fma";
        bool isUnary = context.Name is "neg" or "abs";
        int operands = isTernary ? 4 : isUnary ? 2 : 3;
        context.Statement.Expect(operands, operands);
        if (isTernary)
            context.Statement.RequireOneOf("rn");
        var format = FloatFormat.Of(type);
        LaneOperation operation = context.Name switch
        {
            "neg" => (a, _, _) => a ^ 0x8000,
            "abs" => (a, _, _) => a & 0x7fff,
            "min" or "max" => FloatDecoder.MinimumOrMaximum(context.Statement, format),
            "add" or "sub" or "mul" or "fma" => FloatDecoder.Exact(context, format, Rounding.NearestEven),
            _ => throw context.Statement.Unknown(),
        };
        operation = WithModifiers(context.Statement, operation, format);
        Instruction instruction = context.Scalar(type, type.Count == 2 ? Packed(operation) : Single(operation));
        instruction.Flops = (isTernary ? 2 : context.Name is "add" or "sub" or "mul" ? 1 : 0) * type.Count;
        return instruction;
    }

    /// <summary>Applies an operation to both halves of the operands.</summary>
    public static LaneOperation Packed(LaneOperation operation)
        => (a, b, c) => operation(a & 0xffff, b & 0xffff, c & 0xffff)
            | (operation(a >> 16 & 0xffff, b >> 16 & 0xffff, c >> 16 & 0xffff) << 16);

    private static LaneOperation Single(LaneOperation operation)
        => (a, b, c) => operation(a & 0xffff, b & 0xffff, c & 0xffff);

    private static LaneOperation WithModifiers(Statement statement, LaneOperation operation, FloatFormat format)
    {
        bool isFlushed = statement.Has("ftz");
        bool isSaturated = statement.Has("sat");
        bool isRectified = statement.Has("relu");
        ulong exponent = format.Encode(double.PositiveInfinity, Rounding.NearestEven);
        ulong one = format.Encode(1, Rounding.NearestEven);
        return (a, b, c) =>
        {
            ulong result = isFlushed ? FlushBits(operation(FlushBits(a), FlushBits(b), FlushBits(c)))
                : operation(a, b, c);
            bool isNegative = (result & 0x8000) != 0;
            bool isNaN = (result & 0x7fff) > exponent;
            if (isSaturated)
                return isNegative || isNaN ? 0 : Math.Min(result, one);
            return isRectified && isNegative && !isNaN ? 0 : result;
        };

        ulong FlushBits(ulong bits) => (bits & exponent) == 0 ? bits & 0x8000 : bits;
    }
}
