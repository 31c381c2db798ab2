using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace PtxEmulator.Execution;

/// <summary>The effect of a modifier on the operands and the result of float32 instructions.</summary>
internal interface IFloatModifier
{
    static abstract Vector512<float> Operand(Vector512<float> value);

    static abstract Vector512<float> Result(Vector512<float> value);
}

/// <summary>No modifier: NaN results have the canonical bits.</summary>
internal readonly struct Plain : IFloatModifier
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Operand(Vector512<float> value) => value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Result(Vector512<float> value)
        => Vector512.ConditionalSelect(Vector512.Equals(value, value), value,
            Vector512.Create(0x7fff_ffffu).AsSingle());
}

/// <summary><c>.ftz</c>: subnormal numbers become zeros of the same sign.</summary>
internal readonly struct Flush : IFloatModifier
{
    // The smallest normal number.
    private const float Threshold = 1.17549435e-38f;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Operand(Vector512<float> value)
    {
        Vector512<float> sign = Vector512.Create(-0f);
        Vector512<float> isSmall = Vector512.LessThan(Vector512.AndNot(value, sign), Vector512.Create(Threshold));
        return Vector512.ConditionalSelect(isSmall, value & sign, value);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Result(Vector512<float> value) => Operand(Plain.Result(value));
}

/// <summary><c>.sat</c>: the result is clamped to [0, 1], and NaN becomes 0.</summary>
internal readonly struct Saturate<TInner> : IFloatModifier
    where TInner : IFloatModifier
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Operand(Vector512<float> value) => TInner.Operand(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Result(Vector512<float> value)
    {
        Vector512<float> inner = TInner.Result(value);
        Vector512<float> isPositive = Vector512.GreaterThan(inner, Vector512<float>.Zero);
        return Vector512.ConditionalSelect(isPositive, Vector512.Min(inner, Vector512<float>.One),
            Vector512<float>.Zero);
    }
}

internal readonly struct Modified1<TOperation, TModifier> : IUnaryOperation<float>
    where TOperation : IUnaryOperation<float>
    where TModifier : IFloatModifier
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Run(Vector512<float> a)
        => TModifier.Result(TOperation.Run(TModifier.Operand(a)));
}

internal readonly struct Modified2<TOperation, TModifier> : IBinaryOperation<float>
    where TOperation : IBinaryOperation<float>
    where TModifier : IFloatModifier
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Run(Vector512<float> a, Vector512<float> b)
        => TModifier.Result(TOperation.Run(TModifier.Operand(a), TModifier.Operand(b)));
}

internal readonly struct Modified3<TOperation, TModifier> : ITernaryOperation<float>
    where TOperation : ITernaryOperation<float>
    where TModifier : IFloatModifier
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Run(Vector512<float> a, Vector512<float> b, Vector512<float> c)
        => TModifier.Result(TOperation.Run(TModifier.Operand(a), TModifier.Operand(b), TModifier.Operand(c)));
}
