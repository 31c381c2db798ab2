using PtxEmulator.Numerics;

namespace PtxEmulator.Decoding;

/// <summary>Roots, reciprocals and transcendental functions. The approximate instructions return the correctly
/// rounded result, which is within every error bound of the instruction set, unless the mode for approximations is
/// on.</summary>
internal static class FunctionDecoder
{
    public static Instruction Decode(DecodeContext context)
    {
        context.Statement.Allow("rn", "rz", "rm", "rp", "approx", "ftz");
        PtxType type = context.Statement.Type;
        if (context.Name == "copysign")
        {
            ulong sign = 1ul << (type.Bits - 1);
            return context.Scalar(type, (a, b, _) => (b & ~sign) | (a & sign));
        }
        Instruction instruction = Decode(context, type);
        instruction.Flops = type.Count;
        return instruction;
    }

    private static Instruction Decode(DecodeContext context, PtxType type)
    {
        context.Statement.Expect(2, 2);
        Rounding rounding = FloatDecoder.RoundingOf(context.Statement);
        var format = FloatFormat.Of(type);
        if (context.Name is "rcp" or "sqrt")
        {
            if (type.Bits < 32 || (type.Bits == 64 && rounding != Rounding.NearestEven))
                throw context.Statement.Unknown();
            context.Statement.RequireOneOf("rn", "rz", "rm", "rp", "approx");
            if (rounding == Rounding.NearestEven)
            {
                return Approximate(context, type, NearestRoot(context, type), context.Name == "sqrt" ? Math.Sqrt
                    : value => 1 / value);
            }
            LaneOperation exact = FloatDecoder.Exact(context, format, rounding);
            return context.Scalar(type, FloatDecoder.WithModifiers(context.Statement, exact));
        }
        context.Statement.RequireOneOf("approx");
        Func<double, double> function = context.Name switch
        {
            "rsqrt" => value => value == 0 ? Math.CopySign(double.PositiveInfinity, value) : 1 / Math.Sqrt(value),
            "ex2" => value => Math.Pow(2, value),
            "lg2" => value => value == 0 ? double.NegativeInfinity : Math.Log2(value),
            "sin" => Math.Sin,
            "cos" => Math.Cos,
            "tanh" => Math.Tanh,
            _ => throw context.Statement.Unknown(),
        };
        bool isKnown = (context.Name, type.Bits) switch
        {
            ("rsqrt", 32 or 64) or ("lg2" or "sin" or "cos", 32) => true,
            ("ex2" or "tanh", 16 or 32) => true,
            _ => false,
        };
        if (!isKnown)
            throw context.Statement.Unknown();
        LaneOperation operation
            = (a, _, _) => format.Encode(function(format.Decode(a)), Rounding.NearestEven);
        return Approximate(context, type, context.Scalar(type, type.Count == 2 ? HalfDecoder.Packed(operation)
            : type.Bits == 32 ? FloatDecoder.WithModifiers(context.Statement, Fast(context.Name, operation))
            : operation), function);
    }

    /// <summary>An approximate float32 function can err by up to its bound.</summary>
    private static Instruction Approximate(DecodeContext context, PtxType type, Instruction nearest,
        Func<double, double> function)
        => type.Bits == 32 && context.Has("approx") && context.Name is not ("sin" or "cos")
            ? new ApproximateInstruction(nearest, new Approximation(context.Name, function, context.Has("ftz")),
                context.Destination(0, type), context.Source(1, type))
            : nearest;

    /// <summary>A direct implementation of the float32 exponential, which is the most frequent function in
    /// attention.</summary>
    private static LaneOperation Fast(string name, LaneOperation operation) => name != "ex2" ? operation
        : (a, _, _) =>
        {
            float result = (float)Math.Pow(2, BitConverter.UInt32BitsToSingle((uint)a));
            return float.IsNaN(result) ? FloatFormat.Single.CanonicalNaN : BitConverter.SingleToUInt32Bits(result);
        };

    private static Instruction NearestRoot(DecodeContext context, PtxType type)
    {
        (int d, int a) = (context.Destination(0, type), context.Source(1, type));
        return (context.Name, type.Bits, context.Has("ftz")) switch
        {
            ("rcp", 32, false) => new UnaryInstruction<Modified1<Reciprocal<float>, Plain>, float>(d, a),
            ("rcp", 32, true) => new UnaryInstruction<Modified1<Reciprocal<float>, Flush>, float>(d, a),
            ("rcp", 64, _) => new UnaryInstruction<Reciprocal<double>, double>(d, a),
            (_, 32, false) => new UnaryInstruction<Modified1<SquareRoot<float>, Plain>, float>(d, a),
            (_, 32, true) => new UnaryInstruction<Modified1<SquareRoot<float>, Flush>, float>(d, a),
            _ => new UnaryInstruction<SquareRoot<double>, double>(d, a),
        };
    }
}
