using System.Runtime.CompilerServices;
using MsResampler.Cpu.Simd;
using MsResampler.Model;

namespace MsResampler.Cpu;

/// <summary>Elementary functions on vectors.</summary>
internal static unsafe class VectorMath<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
{
    /// <summary>2ˣ for x ≤ 127 with a relative error below 2·10⁻⁷; 0 for x below −126.5, NaN for NaN.</summary>
    /// <remarks>With x = n + f, 2ⁿ is set in the exponent bits and 2ᶠ on [−½, ½] is a polynomial of degree 6
    /// (Cephes, exp2f).</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Exp2(TVector x)
    {
        // x is the second operand because Max returns the second operand if it is NaN.
        TVector clamped = TSimd.Max(TSimd.Create(-127f), x);
        TVector whole = TSimd.Round(clamped);
        TVector part = TSimd.Subtract(clamped, whole);
        TVector sum = TSimd.Create(1.535336188319500e-4f);
        sum = TSimd.MultiplyAdd(sum, part, TSimd.Create(1.339887440266574e-3f));
        sum = TSimd.MultiplyAdd(sum, part, TSimd.Create(9.618437357674640e-3f));
        sum = TSimd.MultiplyAdd(sum, part, TSimd.Create(5.550332471162809e-2f));
        sum = TSimd.MultiplyAdd(sum, part, TSimd.Create(2.402264791363012e-1f));
        sum = TSimd.MultiplyAdd(sum, part, TSimd.Create(6.931472028550421e-1f));
        sum = TSimd.MultiplyAdd(sum, part, TSimd.Create(1f));
        return TSimd.Multiply(sum, TSimd.PowerOfTwo(whole));
    }

    /// <summary>The exact GELU x·Φ(x).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Gelu(TVector x) => TSimd.Multiply(x, NormalProbability(x));

    /// <summary>The normal distribution Φ(x), through erfc with a relative error of 1.2·10⁻⁷ (the Chebyshev fit of
    /// Numerical Recipes §6.2).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector NormalProbability(TVector x)
    {
        const float HalfSqrt2 = 0.70710678f;
        TVector z = TSimd.Multiply(TSimd.Abs(x), TSimd.Create(HalfSqrt2));
        TVector t = TSimd.Divide(TSimd.Create(1f), TSimd.MultiplyAdd(z, TSimd.Create(0.5f), TSimd.Create(1f)));
        TVector sum = TSimd.Create(0.17087277f);
        sum = TSimd.MultiplyAdd(sum, t, TSimd.Create(-0.82215223f));
        sum = TSimd.MultiplyAdd(sum, t, TSimd.Create(1.48851587f));
        sum = TSimd.MultiplyAdd(sum, t, TSimd.Create(-1.13520398f));
        sum = TSimd.MultiplyAdd(sum, t, TSimd.Create(0.27886807f));
        sum = TSimd.MultiplyAdd(sum, t, TSimd.Create(-0.18628806f));
        sum = TSimd.MultiplyAdd(sum, t, TSimd.Create(0.09678418f));
        sum = TSimd.MultiplyAdd(sum, t, TSimd.Create(0.37409196f));
        sum = TSimd.MultiplyAdd(sum, t, TSimd.Create(1.00002368f));
        sum = TSimd.MultiplyAdd(sum, t, TSimd.Create(-1.26551223f));
        sum = TSimd.Subtract(sum, TSimd.Multiply(z, z));
        // erfc(|z|) / 2 is the tail of the normal distribution beyond |x|.
        TVector tail = TSimd.Multiply(TSimd.Multiply(t, TSimd.Create(0.5f)),
            Exp2(TSimd.Multiply(sum, TSimd.Create((float)Base2.Log2E))));
        return TSimd.SelectNegative(x, tail, TSimd.Subtract(TSimd.Create(1f), tail));
    }

    /// <summary>Whether no value is NaN or infinite.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static bool AreFinite(float* values, int count)
    {
        // 0 times a finite value is 0; 0 times NaN or infinity is NaN.
        TVector sum = TSimd.Zero;
        float rest = 0;
        int index = 0;
        for (; index + TSimd.Width <= count; index += TSimd.Width)
            sum = TSimd.MultiplyAdd(TSimd.Load(values + index), TSimd.Zero, sum);
        for (; index < count; index++)
            rest += values[index] * 0;
        return TSimd.Sum(sum) + rest == 0;
    }

    /// <summary>Applies <see cref="Gelu(TVector)"/> in place. A remainder shorter than a vector is also
    /// computed as a vector, so that a value has the same bits in a vector and in a remainder.</summary>
    public static void Gelu(float* values, int count)
    {
        int index = 0;
        for (; index + TSimd.Width <= count; index += TSimd.Width)
            TSimd.Store(values + index, Gelu(TSimd.Load(values + index)));
        if (index == count)
            return;
        float* rest = stackalloc float[TSimd.Width];
        TSimd.Store(rest, TSimd.Zero);
        new ReadOnlySpan<float>(values + index, count - index).CopyTo(new Span<float>(rest, TSimd.Width));
        TSimd.Store(rest, Gelu(TSimd.Load(rest)));
        new ReadOnlySpan<float>(rest, count - index).CopyTo(new Span<float>(values + index, count - index));
    }
}
