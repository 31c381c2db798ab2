using MsResampler.Cpu.Simd;

namespace MsResampler.Cpu;

/// <summary>Layer normalisation of one row: <c>(x − mean)/√(variance + ε)·weight + bias</c>, right for every finite row.
/// </summary>
/// <remarks>
/// The second pass sums the differences d from the rounded mean as well as their squares. Their mean δ is what rounding
/// left out of the mean, so that <c>variance = (Σd² − n·δ²)/n</c> and the result is <c>(d − δ)/√(variance + ε)</c>
/// (Chan, Golub and LeVeque, 1983). A row far from zero has no other errors: its values are within a factor of two of
/// their mean, so d is exact (Sterbenz).
/// <para>Float32 sums do not serve where they overflow or underflow or where δ exceeds the deviation, as in constant
/// rows; then the row is computed in double precision. The row alone decides, so its bits do not depend on the batch.</para>
/// </remarks>
internal sealed unsafe class LayerNorm<TSimd, TVector>(ReadOnlySpan<float> weight, ReadOnlySpan<float> bias,
    double epsilon)
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>From here on (variance + ε), what squares lose among the denormals, 2⁻¹⁵⁰ each, is below 10⁻⁹ of it.
    /// </summary>
    private const double MinVariance = 1e-36;

    /// <summary>Up to here the reciprocal of the root is a normal float.</summary>
    private const double MaxVariance = 1e75;

    private readonly AlignedBuffer _weight = AlignedBuffer.Copy(weight);
    private readonly AlignedBuffer _bias = AlignedBuffer.Copy(bias);

    /// <summary>Normalises <paramref name="source"/> into <paramref name="destination"/>, which may be the same. A row with a
    /// NaN or an infinity becomes NaN in every channel.</summary>
    public void Apply(float* source, float* destination)
    {
        int count = _weight.Count;
        int vectorEnd = count - (count % TSimd.Width);
        // Two sums at once: one would wait for itself at every step.
        int pairEnd = count - (count % (2 * TSimd.Width));
        TVector sum = TSimd.Zero, otherSum = TSimd.Zero;
        float rest = 0;
        for (int i = 0; i < pairEnd; i += 2 * TSimd.Width)
        {
            sum = TSimd.Add(sum, TSimd.Load(source + i));
            otherSum = TSimd.Add(otherSum, TSimd.Load(source + i + TSimd.Width));
        }

        if (pairEnd < vectorEnd)
            sum = TSimd.Add(sum, TSimd.Load(source + pairEnd));
        for (int i = vectorEnd; i < count; i++)
            rest += source[i];
        float mean = (TSimd.Sum(TSimd.Add(sum, otherSum)) + rest) / count;

        TVector center = TSimd.Create(mean);
        TVector squares = TSimd.Zero, otherSquares = TSimd.Zero;
        sum = otherSum = TSimd.Zero;
        float restSquares = 0;
        rest = 0;
        for (int i = 0; i < pairEnd; i += 2 * TSimd.Width)
        {
            TVector difference = TSimd.Subtract(TSimd.Load(source + i), center);
            TVector other = TSimd.Subtract(TSimd.Load(source + i + TSimd.Width), center);
            sum = TSimd.Add(sum, difference);
            squares = TSimd.MultiplyAdd(difference, difference, squares);
            otherSum = TSimd.Add(otherSum, other);
            otherSquares = TSimd.MultiplyAdd(other, other, otherSquares);
        }

        if (pairEnd < vectorEnd)
        {
            TVector difference = TSimd.Subtract(TSimd.Load(source + pairEnd), center);
            sum = TSimd.Add(sum, difference);
            squares = TSimd.MultiplyAdd(difference, difference, squares);
        }

        for (int i = vectorEnd; i < count; i++)
        {
            float difference = source[i] - mean;
            rest += difference;
            restSquares += difference * difference;
        }

        double left = (TSimd.Sum(TSimd.Add(sum, otherSum)) + rest) / (double)count;
        double variance = ((TSimd.Sum(TSimd.Add(squares, otherSquares)) + restSquares) / (double)count) - (left * left);
        // False for a NaN too.
        if (!(variance + epsilon is >= MinVariance and <= MaxVariance && left * left <= variance))
        {
            ApplyInDouble(source, destination);
            return;
        }

        double scale = 1 / Math.Sqrt(variance + epsilon);
        float roundedScale = (float)scale;
        float roundedShift = (float)(-left * scale);
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
            float normal = ((source[i] - mean) * roundedScale) + roundedShift;
            destination[i] = (normal * _weight.Pointer[i]) + _bias.Pointer[i];
        }
    }

    /// <summary>The same for rows that float32 does not serve. Sums of floats near 10³⁸ and squares of floats near 10⁻⁴⁵
    /// are far inside double's range, and the sum of equal floats is exact, so constant rows give the bias.</summary>
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
