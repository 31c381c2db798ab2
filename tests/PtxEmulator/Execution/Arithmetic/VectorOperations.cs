using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace PtxEmulator.Execution;

/// <summary>An operation on a chunk of lanes. Masked-off threads compute too; their results are discarded.</summary>
internal interface IUnaryOperation<T>
{
    static abstract Vector512<T> Run(Vector512<T> a);
}

internal interface IBinaryOperation<T>
{
    static abstract Vector512<T> Run(Vector512<T> a, Vector512<T> b);
}

internal interface ITernaryOperation<T>
{
    static abstract Vector512<T> Run(Vector512<T> a, Vector512<T> b, Vector512<T> c);
}

internal readonly struct Add<T> : IBinaryOperation<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> Run(Vector512<T> a, Vector512<T> b) => a + b;
}

internal readonly struct Subtract<T> : IBinaryOperation<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> Run(Vector512<T> a, Vector512<T> b) => a - b;
}

internal readonly struct Multiply<T> : IBinaryOperation<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> Run(Vector512<T> a, Vector512<T> b) => a * b;
}

internal readonly struct Divide<T> : IBinaryOperation<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> Run(Vector512<T> a, Vector512<T> b) => a / b;
}

internal readonly struct And<T> : IBinaryOperation<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> Run(Vector512<T> a, Vector512<T> b) => a & b;
}

internal readonly struct Or<T> : IBinaryOperation<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> Run(Vector512<T> a, Vector512<T> b) => a | b;
}

internal readonly struct Xor<T> : IBinaryOperation<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> Run(Vector512<T> a, Vector512<T> b) => a ^ b;
}

/// <summary>The minimum of two integers.</summary>
internal readonly struct Minimum<T> : IBinaryOperation<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> Run(Vector512<T> a, Vector512<T> b) => Vector512.Min(a, b);
}

/// <summary>The maximum of two integers.</summary>
internal readonly struct Maximum<T> : IBinaryOperation<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> Run(Vector512<T> a, Vector512<T> b) => Vector512.Max(a, b);
}

/// <summary>The minimum of two floating-point numbers. If one operand is NaN, the result is the other; −0 is less
/// than 0.</summary>
internal readonly struct MinimumNumber<T> : IBinaryOperation<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> Run(Vector512<T> a, Vector512<T> b) => Vector512.MinNumber(a, b);
}

internal readonly struct MaximumNumber<T> : IBinaryOperation<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> Run(Vector512<T> a, Vector512<T> b) => Vector512.MaxNumber(a, b);
}

internal readonly struct MultiplyAdd<T> : ITernaryOperation<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> Run(Vector512<T> a, Vector512<T> b, Vector512<T> c) => (a * b) + c;
}

internal readonly struct FusedMultiplyAdd32 : ITernaryOperation<float>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Run(Vector512<float> a, Vector512<float> b, Vector512<float> c)
        => Vector512.FusedMultiplyAdd(a, b, c);
}

internal readonly struct FusedMultiplyAdd64 : ITernaryOperation<double>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<double> Run(Vector512<double> a, Vector512<double> b, Vector512<double> c)
        => Vector512.FusedMultiplyAdd(a, b, c);
}

/// <summary>a·b − c, rounded once.</summary>
internal readonly struct NegatedAddend<TFused, T> : ITernaryOperation<T>
    where TFused : ITernaryOperation<T>
    where T : IFloatingPointIeee754<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> Run(Vector512<T> a, Vector512<T> b, Vector512<T> c)
        => TFused.Run(a, b, NegateFloat<T>.Run(c));
}

/// <summary>c − a·b, rounded once.</summary>
internal readonly struct NegatedProduct<TFused, T> : ITernaryOperation<T>
    where TFused : ITernaryOperation<T>
    where T : IFloatingPointIeee754<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> Run(Vector512<T> a, Vector512<T> b, Vector512<T> c)
        => TFused.Run(NegateFloat<T>.Run(a), b, c);
}

internal readonly struct Copy<T> : IUnaryOperation<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> Run(Vector512<T> a) => a;
}

internal readonly struct Not<T> : IUnaryOperation<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> Run(Vector512<T> a) => ~a;
}

/// <summary>The negative of an integer.</summary>
internal readonly struct NegateInteger<T> : IUnaryOperation<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> Run(Vector512<T> a) => Vector512<T>.Zero - a;
}

/// <summary>The absolute value of an integer; the smallest integer is unchanged.</summary>
internal readonly struct AbsoluteInteger<T> : IUnaryOperation<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> Run(Vector512<T> a) => Vector512.Max(a, Vector512<T>.Zero - a);
}

/// <summary>Flips the sign bit of a floating-point number, including NaN.</summary>
internal readonly struct NegateFloat<T> : IUnaryOperation<T>
    where T : IFloatingPointIeee754<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> Run(Vector512<T> a) => a ^ Vector512.Create(T.NegativeZero);
}

internal readonly struct AbsoluteFloat<T> : IUnaryOperation<T>
    where T : IFloatingPointIeee754<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> Run(Vector512<T> a) => Vector512.AndNot(a, Vector512.Create(T.NegativeZero));
}

internal readonly struct SquareRoot<T> : IUnaryOperation<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> Run(Vector512<T> a) => Vector512.Sqrt(a);
}

internal readonly struct Reciprocal<T> : IUnaryOperation<T>
    where T : INumberBase<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> Run(Vector512<T> a) => Vector512.Create(T.One) / a;
}

internal readonly struct IntegerToSingle : IUnaryOperation<uint>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Run(Vector512<uint> a) => Vector512.ConvertToSingle(a.AsInt32()).AsUInt32();
}

internal readonly struct Equal<T> : IBinaryOperation<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> Run(Vector512<T> a, Vector512<T> b) => Vector512.Equals(a, b);
}

internal readonly struct Less<T> : IBinaryOperation<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> Run(Vector512<T> a, Vector512<T> b) => Vector512.LessThan(a, b);
}

internal readonly struct LessOrEqual<T> : IBinaryOperation<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> Run(Vector512<T> a, Vector512<T> b) => Vector512.LessThanOrEqual(a, b);
}

internal readonly struct LessOrGreater<T> : IBinaryOperation<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> Run(Vector512<T> a, Vector512<T> b)
        => Vector512.LessThan(a, b) | Vector512.GreaterThan(a, b);
}

internal readonly struct Ordered<T> : IBinaryOperation<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> Run(Vector512<T> a, Vector512<T> b) => Vector512.Equals(a, a) & Vector512.Equals(b, b);
}

/// <summary>Compares operands whose subnormal values are flushed to zero.</summary>
internal readonly struct FlushedCompare<TOperation> : IBinaryOperation<float>
    where TOperation : IBinaryOperation<float>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Run(Vector512<float> a, Vector512<float> b)
        => TOperation.Run(Flush.Operand(a), Flush.Operand(b));
}
