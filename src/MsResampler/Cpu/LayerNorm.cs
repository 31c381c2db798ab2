using System.Runtime.CompilerServices;
using MsResampler.Cpu.Simd;

namespace MsResampler.Cpu;

/// <summary>Layer normalisation of one row: <c>(x − mean)/√(variance + ε)·weight + bias</c>, accurate for every
/// finite row.</summary>
/// <remarks>
/// The second pass sums the differences d from the rounded mean, and their squares. The mean δ of the
/// differences is the rounding error of the mean, so <c>variance = (Σd² − n·δ²)/n</c> and the result is <c>(d −
/// δ)/√(variance + ε)</c> (Chan, Golub and LeVeque, 1983). If all values are within a factor of two of their
/// mean, as in a row far from zero, then d is exact (Sterbenz).
/// <para>Float32 sums are not accurate if they overflow or underflow, or if δ exceeds the standard deviation,
/// as in a constant row. Such a row is computed in double precision. The choice depends on the row alone, so
/// the result does not depend on the batch.</para>
/// <para>Training has its own, which keeps the normalised row and its scale for the gradient.</para>
/// </remarks>
/// <param name="weight">The weight, [D].</param>
/// <param name="bias">The bias, [D].</param>
/// <param name="epsilon">ε.</param>
internal sealed unsafe class LayerNorm<TSimd, TVector>(ReadOnlySpan<float> weight, ReadOnlySpan<float> bias,
    double epsilon)
    where TSimd : struct, ISimd<TVector>
{
    /// <summary>Lower bound of variance + ε for float32 sums. Squares in the range of denormals have an error
    /// of up to 2⁻¹⁵⁰ each, which is below 10⁻⁹ of this bound.</summary>
    private const double MinVariance = 1e-36;

    /// <summary>Upper bound of variance + ε for float32 sums: 1/√(variance + ε) is still a normal float.</summary>
    private const double MaxVariance = 1e75;

    /// <summary>Partial sums of a row: element i is added to sum i mod 32. The number does not depend on the width of
    /// a vector, so that a row has the same bits on every instruction set with fused multiply-add.</summary>
    private const int SumCount = 32;

    private readonly AlignedBuffer _weight = AlignedBuffer.Copy(weight);
    private readonly AlignedBuffer _bias = AlignedBuffer.Copy(bias);

    /// <summary>Normalises <paramref name="source"/> into <paramref name="destination"/>; both may be the same
    /// memory. A row with a NaN or an infinity gives NaN in every channel.</summary>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Apply(float* source, float* destination)
    {
        int count = _weight.Count;
        int vectorEnd = count - (count % TSimd.Width);
        float* sums = stackalloc float[SumCount];
        float* squares = stackalloc float[SumCount];
        Sum(source, count, sums);
        float mean = Total(sums) / count;

        SumDifferences(source, count, mean, sums, squares);
        double left = Total(sums) / (double)count;
        double variance = (Total(squares) / (double)count) - (left * left);
        // The comparison is also false if the variance is NaN.
        if (!(variance + epsilon is >= MinVariance and <= MaxVariance && left * left <= variance))
        {
            ApplyInDouble(source, destination);
            return;
        }

        double scale = 1 / Math.Sqrt(variance + epsilon);
        float roundedScale = (float)scale;
        float roundedShift = (float)(-left * scale);
        TVector center = TSimd.Create(mean);
        TVector factor = TSimd.Create(roundedScale);
        TVector shift = TSimd.Create(roundedShift);
        for (int i = 0; i < vectorEnd; i += TSimd.Width)
        {
            TVector normal = TSimd.MultiplyAdd(TSimd.Subtract(TSimd.Load(source + i), center), factor, shift);
            TSimd.Store(destination + i,
                TSimd.MultiplyAdd(normal, TSimd.Load(_weight.Pointer + i), TSimd.Load(_bias.Pointer + i)));
        }

        for (int i = vectorEnd; i < count; i++)
        {
            float normal = SimdScalar.MultiplyAdd(source[i] - mean, roundedScale, roundedShift);
            destination[i] = SimdScalar.MultiplyAdd(normal, _weight.Pointer[i], _bias.Pointer[i]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Sum(float* source, int count, float* sums)
    {
        int blockEnd = count - (count % SumCount);
        // Two independent chains of additions at a time, because a single one is limited by its latency.
        for (int first = 0; first < SumCount; first += 2 * TSimd.Width)
        {
            TVector sum = TSimd.Zero, other = TSimd.Zero;
            for (int i = first; i < blockEnd; i += SumCount)
            {
                sum = TSimd.Add(sum, TSimd.Load(source + i));
                other = TSimd.Add(other, TSimd.Load(source + i + TSimd.Width));
            }

            TSimd.Store(sums + first, sum);
            TSimd.Store(sums + first + TSimd.Width, other);
        }

        for (int i = blockEnd; i < count; i++)
            sums[i - blockEnd] += source[i];
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void SumDifferences(float* source, int count, float mean, float* sums, float* squares)
    {
        int blockEnd = count - (count % SumCount);
        TVector center = TSimd.Create(mean);
        for (int first = 0; first < SumCount; first += 2 * TSimd.Width)
        {
            TVector sum = TSimd.Zero, otherSum = TSimd.Zero, square = TSimd.Zero, otherSquare = TSimd.Zero;
            for (int i = first; i < blockEnd; i += SumCount)
            {
                TVector difference = TSimd.Subtract(TSimd.Load(source + i), center);
                TVector other = TSimd.Subtract(TSimd.Load(source + i + TSimd.Width), center);
                sum = TSimd.Add(sum, difference);
                square = TSimd.MultiplyAdd(difference, difference, square);
                otherSum = TSimd.Add(otherSum, other);
                otherSquare = TSimd.MultiplyAdd(other, other, otherSquare);
            }

            TSimd.Store(sums + first, sum);
            TSimd.Store(sums + first + TSimd.Width, otherSum);
            TSimd.Store(squares + first, square);
            TSimd.Store(squares + first + TSimd.Width, otherSquare);
        }

        for (int i = blockEnd; i < count; i++)
        {
            float difference = source[i] - mean;
            sums[i - blockEnd] += difference;
            squares[i - blockEnd] = SimdScalar.MultiplyAdd(difference, difference, squares[i - blockEnd]);
        }
    }

    /// <summary>The total of the partial sums, added pairwise in place.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Total(float* sums)
    {
        for (int half = SumCount / 2; half > 0; half /= 2)
        {
            int i = 0;
            for (; i + TSimd.Width <= half; i += TSimd.Width)
                TSimd.Store(sums + i, TSimd.Add(TSimd.Load(sums + i), TSimd.Load(sums + half + i)));
            for (; i < half; i++)
                sums[i] += sums[half + i];
        }

        return sums[0];
    }

    /// <summary>Normalises a row in double precision. Sums of floats near 10³⁸ and squares of floats near 10⁻⁴⁵ are
    /// within the range of double, and the sum of equal floats is exact, so a constant row gives the bias.</summary>
    private void ApplyInDouble(float* source, float* destination)
    {
        int count = _weight.Count;
        double sum = 0;
        for (int i = 0; i < count; i++)
            sum += source[i];
        double mean = sum / count;
        double differences = 0;
        double squares = 0;
        for (int i = 0; i < count; i++)
        {
            double difference = source[i] - mean;
            differences += difference;
            squares += difference * difference;
        }

        double left = differences / count;
        double scale = 1 / Math.Sqrt(Math.Max(0, (squares / count) - (left * left)) + epsilon);
        for (int i = 0; i < count; i++)
            destination[i] = (float)(((source[i] - mean - left) * scale * _weight.Pointer[i]) + _bias.Pointer[i]);
    }
}
