using PtxEmulator.Numerics;

namespace PtxEmulator.Decoding;

/// <summary>Comparisons and selections.</summary>
internal static class CompareDecoder
{
    private const string Operators = " eq ne lt le gt ge lo ls hi hs equ neu ltu leu gtu geu num nan ";

    public static Instruction Decode(DecodeContext context) => context.Name switch
    {
        "setp" => SetPredicate(context),
        "set" => Set(context),
        "selp" => Select(context),
        "slct" => SelectBySign(context),
        _ => Test(context),
    };

    private static Instruction SetPredicate(DecodeContext context)
    {
        Statement statement = context.Statement;
        statement.Expect(3, 4);
        string comparison = statement.Parts[1];
        PtxType type = statement.Type;
        bool isCombined = context.OperandCount == 4;
        (Operand first, Operand second) = context.Operand(0) is PairOperand pair ? (pair.First, pair.Second)
            : (context.Operand(0), new SinkOperand());
        (int combined, uint flip) = isCombined ? context.Predicate(3) : (context.Builder.True, 0u);
        PredicateCombination combination = context.Has("or") ? PredicateCombination.Or
            : context.Has("xor") ? PredicateCombination.Xor : PredicateCombination.And;
        statement.Allow(comparison, "and", "or", "xor", "ftz");
        if (!Operators.Contains($" {comparison} ", StringComparison.Ordinal))
            throw statement.Unknown();
        var target = new CompareTarget(context.PredicateDestination(first), context.PredicateDestination(second),
            combined, flip, combination);
        return type switch
        {
            { IsInteger: true, Bits: 32, Kind: PtxTypeKind.Signed } => Vector<int>(context, comparison, target, type),
            { IsInteger: true, Bits: 32 } => Vector<uint>(context, comparison, target, type),
            { IsInteger: true, Bits: 64, Kind: PtxTypeKind.Signed } => Vector<long>(context, comparison, target, type),
            { IsInteger: true, Bits: 64 } => Vector<ulong>(context, comparison, target, type),
            { Kind: PtxTypeKind.Float, Bits: 32 } when context.Has("ftz") => Flushed(context, comparison, target),
            { Kind: PtxTypeKind.Float, Bits: 32 } => Vector<float>(context, comparison, target, type),
            { Kind: PtxTypeKind.Float, Bits: 64 } => Vector<double>(context, comparison, target, type),
            { Count: 1 } => new ScalarCompareInstruction(Compare(statement, type, comparison), target,
                context.LaneSource(1, type), context.LaneSource(2, type)),
            _ => PackedComparison(context, comparison, type, first, second, combined, flip, combination),
        };
    }

    /// <summary>The comparison of packed operands: one predicate for each half.</summary>
    private static ScalarPairCompareInstruction PackedComparison(DecodeContext context, string comparison, PtxType type,
        Operand first, Operand second, int combined, uint flip, PredicateCombination combination)
    {
        LaneOperation operation = Compare(context.Statement, type with { Count = 1 }, comparison);
        var low = new CompareTarget(context.PredicateDestination(first), -1, combined, flip, combination);
        var high = new CompareTarget(context.PredicateDestination(second), -1, combined, flip, combination);
        return new ScalarPairCompareInstruction(operation, low, high, context.LaneSource(1, type),
            context.LaneSource(2, type));
    }

    private static Instruction Vector<T>(DecodeContext context, string comparison, CompareTarget target, PtxType type)
        where T : unmanaged
    {
        (int a, int b) = (context.Source(1, type), context.Source(2, type));
        const uint Opposite = Lanes.All;
        return comparison switch
        {
            "eq" => new CompareInstruction<Equal<T>, T>(target, a, b, 0),
            "ne" when type.IsFloat => new CompareInstruction<LessOrGreater<T>, T>(target, a, b, 0),
            "ne" or "neu" => new CompareInstruction<Equal<T>, T>(target, a, b, Opposite),
            "lt" or "lo" => new CompareInstruction<Less<T>, T>(target, a, b, 0),
            "le" or "ls" => new CompareInstruction<LessOrEqual<T>, T>(target, a, b, 0),
            "gt" or "hi" => new CompareInstruction<Less<T>, T>(target, b, a, 0),
            "ge" or "hs" => new CompareInstruction<LessOrEqual<T>, T>(target, b, a, 0),
            _ when !type.IsFloat => throw context.Statement.Unknown(),
            "equ" => new CompareInstruction<LessOrGreater<T>, T>(target, a, b, Opposite),
            "ltu" => new CompareInstruction<LessOrEqual<T>, T>(target, b, a, Opposite),
            "leu" => new CompareInstruction<Less<T>, T>(target, b, a, Opposite),
            "gtu" => new CompareInstruction<LessOrEqual<T>, T>(target, a, b, Opposite),
            "geu" => new CompareInstruction<Less<T>, T>(target, a, b, Opposite),
            "num" => new CompareInstruction<Ordered<T>, T>(target, a, b, 0),
            _ => new CompareInstruction<Ordered<T>, T>(target, a, b, Opposite),
        };
    }

    private static Instruction Flushed(DecodeContext context, string comparison, CompareTarget target)
    {
        (int a, int b) = (context.Source(1, PtxType.F32), context.Source(2, PtxType.F32));
        const uint Opposite = Lanes.All;
        return comparison switch
        {
            "eq" => new CompareInstruction<FlushedCompare<Equal<float>>, float>(target, a, b, 0),
            "ne" => new CompareInstruction<FlushedCompare<LessOrGreater<float>>, float>(target, a, b, 0),
            "neu" => new CompareInstruction<FlushedCompare<Equal<float>>, float>(target, a, b, Opposite),
            "lt" => new CompareInstruction<FlushedCompare<Less<float>>, float>(target, a, b, 0),
            "le" => new CompareInstruction<FlushedCompare<LessOrEqual<float>>, float>(target, a, b, 0),
            "gt" => new CompareInstruction<FlushedCompare<Less<float>>, float>(target, b, a, 0),
            "ge" => new CompareInstruction<FlushedCompare<LessOrEqual<float>>, float>(target, b, a, 0),
            "equ" => new CompareInstruction<FlushedCompare<LessOrGreater<float>>, float>(target, a, b, Opposite),
            "ltu" => new CompareInstruction<FlushedCompare<LessOrEqual<float>>, float>(target, b, a, Opposite),
            "leu" => new CompareInstruction<FlushedCompare<Less<float>>, float>(target, b, a, Opposite),
            "gtu" => new CompareInstruction<FlushedCompare<LessOrEqual<float>>, float>(target, a, b, Opposite),
            "geu" => new CompareInstruction<FlushedCompare<Less<float>>, float>(target, a, b, Opposite),
            "num" => new CompareInstruction<Ordered<float>, float>(target, a, b, 0),
            "nan" => new CompareInstruction<Ordered<float>, float>(target, a, b, Opposite),
            _ => throw context.Statement.Unknown(),
        };
    }

    /// <summary>The comparison of the operands of one thread: 1 or 0.</summary>
    private static LaneOperation Compare(Statement statement, PtxType type, string comparison)
    {
        bool isFlushed = statement.Has("ftz");
        Func<int, bool> ordered = comparison switch
        {
            "eq" or "equ" => order => order == 0,
            "ne" or "neu" => order => order != 0,
            "lt" or "lo" or "ltu" => order => order < 0,
            "le" or "ls" or "leu" => order => order <= 0,
            "gt" or "hi" or "gtu" => order => order > 0,
            "ge" or "hs" or "geu" => order => order >= 0,
            "num" => _ => true,
            "nan" => _ => false,
            _ => throw statement.Unknown(),
        };
        if (type.IsInteger)
        {
            return type.IsSigned
                ? (a, b, _) => ToBit(ordered(Bits.SignExtend(a, type.Bits).CompareTo(Bits.SignExtend(b, type.Bits))))
                : (a, b, _) => ToBit(ordered((a & Bits.Mask(type.Bits)).CompareTo(b & Bits.Mask(type.Bits))));
        }
        bool isUnorderedTrue = comparison is "equ" or "neu" or "ltu" or "leu" or "gtu" or "geu" or "nan";
        var format = FloatFormat.Of(type);
        double threshold = isFlushed ? type.Kind == PtxTypeKind.Float && type.Bits == 16 ? Math.ScaleB(1, -14)
            : Math.ScaleB(1, -126) : 0;
        return (a, b, _) =>
        {
            double x = ExactMath.FlushSubnormal(format.Decode(a), threshold);
            double y = ExactMath.FlushSubnormal(format.Decode(b), threshold);
            return ToBit(double.IsNaN(x) || double.IsNaN(y) ? isUnorderedTrue
                : ordered(x < y ? -1 : x > y ? 1 : 0));
        };
    }

    private static ulong ToBit(bool value) => value ? 1ul : 0;

    /// <summary><c>set</c>: the result is all ones, or 1.0 for a float type.</summary>
    private static ScalarInstruction Set(DecodeContext context)
    {
        Statement statement = context.Statement;
        string comparison = statement.Parts[1];
        statement.Allow(comparison, "ftz", "and", "or", "xor");
        IReadOnlyList<PtxType> types = statement.Types;
        if (types.Count != 2 || context.OperandCount != 3 || types[1].Count > 1)
            throw statement.Unknown();
        LaneOperation operation = Compare(statement, types[1], comparison);
        ulong yes = types[0].IsFloat ? FloatFormat.Of(types[0]).Encode(1, Rounding.NearestEven)
            : Bits.Mask(types[0].Bits);
        return context.Scalar((a, b, c) => operation(a, b, c) != 0 ? yes : 0, context.LaneSource(1, types[1]),
            context.LaneSource(2, types[1]));
    }

    private static Instruction Select(DecodeContext context)
    {
        context.Statement.Allow();
        context.Statement.Expect(4, 4);
        PtxType type = context.Statement.Type;
        (int predicate, uint flip) = context.Predicate(3);
        (int d, int a, int b) = (context.Destination(0, type), context.Source(1, type), context.Source(2, type));
        return type.LaneBytes == sizeof(ulong) ? new SelectInstruction<ulong>(d, a, b, predicate, flip)
            : new SelectInstruction<uint>(d, a, b, predicate, flip);
    }

    private static ScalarInstruction SelectBySign(DecodeContext context)
    {
        context.Statement.Allow("ftz");
        IReadOnlyList<PtxType> types = context.Statement.Types;
        bool isFloat = types[1].IsFloat;
        // −0 does not count as negative, and NaN selects the second operand.
        LaneOperation operation = isFloat
            ? (a, b, c) => BitConverter.UInt32BitsToSingle((uint)c) >= 0 ? a : b
            : (a, b, c) => (int)c >= 0 ? a : b;
        if (isFloat && context.Has("ftz"))
        {
            operation = (a, b, c) => (c & 0x7f80_0000) == 0 || BitConverter.UInt32BitsToSingle((uint)c) >= 0 ? a : b;
        }
        return context.Scalar(operation, context.LaneSource(1, types[0]), context.LaneSource(2, types[0]),
            context.LaneSource(3, types[1]));
    }

    private static ScalarCompareInstruction Test(DecodeContext context)
    {
        Statement statement = context.Statement;
        statement.Allow("finite", "infinite", "number", "notanumber", "normal", "subnormal");
        var format = FloatFormat.Of(statement.Type);
        bool isSingle = statement.Type.Bits == 32;
        Func<double, bool> test = statement.Parts[1] switch
        {
            "finite" => double.IsFinite,
            "infinite" => double.IsInfinity,
            "number" => value => !double.IsNaN(value),
            "notanumber" => double.IsNaN,
            // Zero counts as normal in this instruction.
            "normal" => value => value == 0 || (isSingle ? float.IsNormal((float)value) : double.IsNormal(value)),
            _ => value => isSingle ? float.IsSubnormal((float)value) : double.IsSubnormal(value),
        };
        var target = new CompareTarget(context.PredicateDestination(context.Operand(0)), -1, context.Builder.True, 0,
            PredicateCombination.And);
        return new ScalarCompareInstruction((a, _, _) => ToBit(test(format.Decode(a))), target,
            context.LaneSource(1, statement.Type), context.Zero);
    }
}
