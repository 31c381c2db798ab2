using PtxEmulator.Numerics;

namespace PtxEmulator.Decoding;

/// <summary>Arithmetic of float32 and float64.</summary>
internal static class FloatDecoder
{
    public static Instruction Decode(DecodeContext context)
    {
        PtxType type = context.Statement.Type;
        if (type.Kind != PtxTypeKind.Float)
            throw context.Statement.Unknown();
        context.Statement.Allow("rn", "rz", "rm", "rp", "ftz", "sat", "approx", "full", "NaN", "xorsign", "abs");
        bool isTernary = context.Name is "fma" or "mad";
        bool isUnary = context.Name is "neg" or "abs";
        int operands = isTernary ? 4 : isUnary ? 2 : 3;
        context.Statement.Expect(operands, operands);
        if (isTernary)
            context.Statement.RequireOneOf("rn", "rz", "rm", "rp");
        if (context.Name == "div")
            context.Statement.RequireOneOf("rn", "rz", "rm", "rp", "approx", "full");
        Rounding rounding = RoundingOf(context.Statement);
        Instruction instruction = rounding != Rounding.NearestEven ? Directed(context, type, rounding)
            : context.Name is "min" or "max" && (context.Has("NaN") || context.Has("xorsign"))
                ? MinimumOrMaximum(context, type)
            : type.Bits == 64 ? Decode64(context, type)
            : isTernary ? Ternary32(context)
            : isUnary ? Unary32(context)
            : Binary32(context);
        instruction.Flops = isTernary ? 2 : context.Name is "add" or "sub" or "mul" or "div" ? 1 : 0;
        return instruction;
    }

    /// <summary>The rounding of a result; the default is to nearest even.</summary>
    public static Rounding RoundingOf(Statement statement)
        => statement.Has("rz") ? Rounding.Zero : statement.Has("rm") ? Rounding.Down
            : statement.Has("rp") ? Rounding.Up : statement.Has("rna") ? Rounding.NearestAway : Rounding.NearestEven;

    /// <summary>Applies <c>.ftz</c> and <c>.sat</c> of float32 to a scalar function.</summary>
    public static LaneOperation WithModifiers(Statement statement, LaneOperation operation)
    {
        bool isFlushed = statement.Has("ftz");
        bool isSaturated = statement.Has("sat");
        if (!isFlushed && !isSaturated)
            return operation;
        return (a, b, c) =>
        {
            ulong result = isFlushed ? FlushBits(operation(FlushBits(a), FlushBits(b), FlushBits(c)))
                : operation(a, b, c);
            return isSaturated ? SaturateBits(result) : result;
        };
    }

    private static ulong FlushBits(ulong bits) => (bits & 0x7f80_0000) == 0 ? bits & 0x8000_0000 : bits;

    private static ulong SaturateBits(ulong bits)
    {
        float value = BitConverter.UInt32BitsToSingle((uint)bits);
        return BitConverter.SingleToUInt32Bits(value > 0 ? Math.Min(value, 1) : 0);
    }

    /// <summary>A sum or difference of a product, rounded once.</summary>
    public static Instruction Fused<T32, T64>(DecodeContext context, int a, int b, int c)
        where T32 : ITernaryOperation<float>
        where T64 : ITernaryOperation<double>
    {
        int d = context.Destination(0, context.Statement.Type);
        return context.Statement.Type.Bits == 64 ? new TernaryInstruction<T64, double>(d, a, b, c)
            : Ternary32<T32>(context, d, a, b, c);
    }

    private static Instruction Ternary32(DecodeContext context)
    {
        (int d, int a) = (context.Destination(0, PtxType.F32), context.Source(1, PtxType.F32));
        (int b, int c) = (context.Source(2, PtxType.F32), context.Source(3, PtxType.F32));
        return Ternary32<FusedMultiplyAdd32>(context, d, a, b, c);
    }

    private static Instruction Ternary32<TOperation>(DecodeContext context, int d, int a, int b, int c)
        where TOperation : ITernaryOperation<float>
        => (context.Has("ftz"), context.Has("sat")) switch
        {
            (false, false) => new TernaryInstruction<Modified3<TOperation, Plain>, float>(d, a, b, c),
            (true, false) => new TernaryInstruction<Modified3<TOperation, Flush>, float>(d, a, b, c),
            (false, true) => new TernaryInstruction<Modified3<TOperation, Saturate<Plain>>, float>(d, a, b, c),
            _ => new TernaryInstruction<Modified3<TOperation, Saturate<Flush>>, float>(d, a, b, c),
        };

    private static Instruction Binary32(DecodeContext context) => context.Name switch
    {
        "add" => Binary32<Add<float>>(context),
        "sub" => Binary32<Subtract<float>>(context),
        "mul" => Binary32<Multiply<float>>(context),
        "div" => Binary32<Divide<float>>(context),
        "min" => Binary32<MinimumNumber<float>>(context),
        "max" => Binary32<MaximumNumber<float>>(context),
        _ => throw context.Statement.Unknown(),
    };

    private static Instruction Binary32<TOperation>(DecodeContext context)
        where TOperation : IBinaryOperation<float>
    {
        (int d, int a) = (context.Destination(0, PtxType.F32), context.Source(1, PtxType.F32));
        int b = context.Source(2, PtxType.F32);
        return (context.Has("ftz"), context.Has("sat")) switch
        {
            (false, false) => new BinaryInstruction<Modified2<TOperation, Plain>, float>(d, a, b),
            (true, false) => new BinaryInstruction<Modified2<TOperation, Flush>, float>(d, a, b),
            (false, true) => new BinaryInstruction<Modified2<TOperation, Saturate<Plain>>, float>(d, a, b),
            _ => new BinaryInstruction<Modified2<TOperation, Saturate<Flush>>, float>(d, a, b),
        };
    }

    private static Instruction Unary32(DecodeContext context)
    {
        (int d, int a) = (context.Destination(0, PtxType.F32), context.Source(1, PtxType.F32));
        return (context.Name, context.Has("ftz")) switch
        {
            ("neg", false) => new UnaryInstruction<Modified1<NegateFloat<float>, Plain>, float>(d, a),
            ("neg", true) => new UnaryInstruction<Modified1<NegateFloat<float>, Flush>, float>(d, a),
            (_, false) => new UnaryInstruction<Modified1<AbsoluteFloat<float>, Plain>, float>(d, a),
            _ => new UnaryInstruction<Modified1<AbsoluteFloat<float>, Flush>, float>(d, a),
        };
    }

    private static Instruction Decode64(DecodeContext context, PtxType type)
    {
        (int d, int a) = (context.Destination(0, type), context.Source(1, type));
        int b = context.OperandCount > 2 ? context.Source(2, type) : a;
        return context.Name switch
        {
            "add" => new BinaryInstruction<Add<double>, double>(d, a, b),
            "sub" => new BinaryInstruction<Subtract<double>, double>(d, a, b),
            "mul" => new BinaryInstruction<Multiply<double>, double>(d, a, b),
            "div" => new BinaryInstruction<Divide<double>, double>(d, a, b),
            "min" => new BinaryInstruction<MinimumNumber<double>, double>(d, a, b),
            "max" => new BinaryInstruction<MaximumNumber<double>, double>(d, a, b),
            "neg" => new UnaryInstruction<NegateFloat<double>, double>(d, a),
            "abs" => new UnaryInstruction<AbsoluteFloat<double>, double>(d, a),
            "fma" or "mad" => new TernaryInstruction<FusedMultiplyAdd64, double>(d, a, b, context.Source(3, type)),
            _ => throw context.Statement.Unknown(),
        };
    }

    /// <summary><c>min</c> and <c>max</c> with <c>.NaN</c> or <c>.xorsign.abs</c>.</summary>
    private static ScalarInstruction MinimumOrMaximum(DecodeContext context, PtxType type)
    {
        if (type.Bits != 32)
            throw context.Statement.Unknown();
        LaneOperation operation = MinimumOrMaximum(context.Statement, FloatFormat.Single);
        return context.Scalar(type, WithModifiers(context.Statement, operation));
    }

    /// <summary>Minimum or maximum in any format, with all modifiers.</summary>
    public static LaneOperation MinimumOrMaximum(Statement statement, FloatFormat format)
    {
        bool isMinimum = statement.Name == "min";
        bool isNaNKept = statement.Has("NaN");
        bool hasXorSign = statement.Has("xorsign");
        return (a, b, _) =>
        {
            double x = format.Decode(a);
            double y = format.Decode(b);
            if (double.IsNaN(x) || double.IsNaN(y))
            {
                bool isResultNaN = isNaNKept || (double.IsNaN(x) && double.IsNaN(y));
                return isResultNaN ? format.CanonicalNaN : double.IsNaN(x) ? b : a;
            }
            bool isNegative = double.IsNegative(x) != double.IsNegative(y);
            (double p, double q) = hasXorSign ? (Math.Abs(x), Math.Abs(y)) : (x, y);
            double result = isMinimum ? Math.Min(p, q) : Math.Max(p, q);
            return format.Encode(hasXorSign && isNegative ? -result : result, Rounding.NearestEven);
        };
    }

    /// <summary>Arithmetic of float32 with directed rounding. Directed rounding of float64 is not supported: the
    /// residual of a double can be outside the range of double.</summary>
    private static ScalarInstruction Directed(DecodeContext context, PtxType type, Rounding rounding)
    {
        if (type.Bits != 32)
            throw context.Statement.Unknown();
        LaneOperation operation = Exact(context, FloatFormat.Single, rounding);
        return context.Scalar(type, WithModifiers(context.Statement, operation));
    }

    /// <summary>A basic operation in any format, rounded once.</summary>
    public static LaneOperation Exact(DecodeContext context, FloatFormat format, Rounding rounding)
    {
        Func<double, double, double, (double Value, double Residual)> exact = context.Name switch
        {
            "add" => (a, b, _) => ExactMath.Add(a, b),
            "sub" => (a, b, _) => ExactMath.Add(a, -b),
            "mul" => (a, b, _) => ExactMath.Multiply(a, b),
            "div" => (a, b, _) => ExactMath.Divide(a, b),
            "fma" or "mad" => ExactMath.FusedMultiplyAdd,
            "rcp" => (a, _, _) => ExactMath.Divide(1, a),
            "sqrt" => (a, _, _) => ExactMath.Sqrt(a),
            _ => throw context.Statement.Unknown(),
        };
        return (a, b, c) =>
        {
            (double value, double residual) = exact(format.Decode(a), format.Decode(b), format.Decode(c));
            // A sum that cancels exactly is −0 when rounding down, unless both terms are the same zero.
            if (value == 0 && residual == 0 && rounding == Rounding.Down && IsCancelled(context.Name, format, a, b, c))
                value = -0.0;
            return format.Encode(value, rounding, residual);
        };
    }

    private static bool IsCancelled(string name, FloatFormat format, ulong a, ulong b, ulong c)
    {
        (double x, double y) = (format.Decode(a), format.Decode(b));
        return name switch
        {
            "add" => double.IsNegative(x) != double.IsNegative(y),
            "sub" => double.IsNegative(x) == double.IsNegative(y),
            "fma" or "mad" => double.IsNegative(x) ^ double.IsNegative(y) ^ double.IsNegative(format.Decode(c)),
            _ => false,
        };
    }
}
