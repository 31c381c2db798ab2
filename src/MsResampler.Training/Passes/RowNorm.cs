using System.Runtime.CompilerServices;
using MsResampler.Cpu.Simd;

namespace MsResampler.Training.Passes;

/// <summary>Layer normalisation of rows and its gradient. The normalised row before weight and bias,
/// <c>x̂ = (x − mean)·s</c> with <c>s = 1/√(variance + ε)</c>, is kept for the gradient.</summary>
/// <remarks>Inference has <see cref="Cpu.LayerNorm{TSimd, TVector}"/>: it keeps neither, and copies weights that do not
/// change.</remarks>
internal static unsafe class RowNorm<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
{
    /// <summary>Bounds of variance + ε for float32 sums; see <see cref="Cpu.LayerNorm{TSimd, TVector}"/>.</summary>
    private const double MinVariance = 1e-36;
    private const double MaxVariance = 1e75;

    /// <summary>Normalises a row. Source and destination may be the same memory.</summary>
    /// <returns>s.</returns>
    /// <remarks>The mean of the differences from the rounded mean is subtracted again, so that a row far from zero
    /// keeps its precision. A row whose float32 sums are inaccurate is computed in double precision.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Normalise(float* source, int count, double epsilon, float* destination)
    {
        float mean = (float)(Sum(source, count) / count);
        (double differences, double squares) = SumDifferences(source, count, mean);
        double left = differences / count;
        double variance = (squares / count) - (left * left);
        // The comparison is also false if the variance is NaN.
        if (!(variance + epsilon is >= MinVariance and <= MaxVariance && left * left <= variance))
            return NormaliseInDouble(source, count, epsilon, destination);
        double scale = 1 / Math.Sqrt(variance + epsilon);
        TVector center = TSimd.Create(mean);
        TVector factor = TSimd.Create((float)scale);
        TVector shift = TSimd.Create((float)(-left * scale));
        int i = 0;
        for (; i + TSimd.Width <= count; i += TSimd.Width)
            TSimd.Store(destination + i,
                TSimd.MultiplyAdd(TSimd.Subtract(TSimd.Load(source + i), center), factor, shift));
        for (; i < count; i++)
            destination[i] = SimdScalar.MultiplyAdd(source[i] - mean, (float)scale, (float)(-left * scale));
        return (float)scale;
    }

    /// <summary>Applies weight and bias to a normalised row: <c>z = x̂·w + b</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Apply(float* normal, NormLayer layer, float* destination)
    {
        float* weight = layer.Weight.Pointer;
        float* bias = layer.Bias.Pointer;
        int count = layer.Weight.Count;
        int i = 0;
        for (; i + TSimd.Width <= count; i += TSimd.Width)
            TSimd.Store(destination + i, TSimd.MultiplyAdd(TSimd.Load(normal + i), TSimd.Load(weight + i),
                TSimd.Load(bias + i)));
        for (; i < count; i++)
            destination[i] = SimdScalar.MultiplyAdd(normal[i], weight[i], bias[i]);
    }

    /// <summary>The gradient of a row: <c>dx = s·(g − mean(g) − x̂·mean(g·x̂))</c> with <c>g = dz·w</c>.</summary>
    /// <param name="gradient">dz.</param>
    /// <param name="normal">x̂.</param>
    /// <param name="scale">s.</param>
    /// <param name="weight">w.</param>
    /// <param name="count">D.</param>
    /// <param name="destination">Receives dx; may be the memory of <paramref name="gradient"/>.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Backward(float* gradient, float* normal, float scale, float* weight, int count,
        float* destination)
    {
        TVector sum = TSimd.Zero, product = TSimd.Zero;
        int i = 0;
        for (; i + TSimd.Width <= count; i += TSimd.Width)
        {
            TVector g = TSimd.Multiply(TSimd.Load(gradient + i), TSimd.Load(weight + i));
            sum = TSimd.Add(sum, g);
            product = TSimd.MultiplyAdd(g, TSimd.Load(normal + i), product);
        }

        double total = TSimd.Sum(sum);
        double products = TSimd.Sum(product);
        for (; i < count; i++)
        {
            total += (double)gradient[i] * weight[i];
            products += (double)gradient[i] * weight[i] * normal[i];
        }

        float mean = (float)(total / count);
        float slope = (float)(products / count);
        TVector factor = TSimd.Create(scale);
        TVector center = TSimd.Create(mean);
        TVector minusSlope = TSimd.Create(-slope);
        for (i = 0; i + TSimd.Width <= count; i += TSimd.Width)
        {
            TVector g = TSimd.Multiply(TSimd.Load(gradient + i), TSimd.Load(weight + i));
            TVector rest = TSimd.MultiplyAdd(TSimd.Load(normal + i), minusSlope, TSimd.Subtract(g, center));
            TSimd.Store(destination + i, TSimd.Multiply(rest, factor));
        }

        for (; i < count; i++)
            destination[i] = ((gradient[i] * weight[i]) - mean - (normal[i] * slope)) * scale;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static double Sum(float* source, int count)
    {
        TVector even = TSimd.Zero, odd = TSimd.Zero;
        int i = 0;
        for (; i + (2 * TSimd.Width) <= count; i += 2 * TSimd.Width)
        {
            even = TSimd.Add(even, TSimd.Load(source + i));
            odd = TSimd.Add(odd, TSimd.Load(source + i + TSimd.Width));
        }

        double sum = TSimd.Sum(TSimd.Add(even, odd));
        for (; i < count; i++)
            sum += source[i];
        return sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static (double Differences, double Squares) SumDifferences(float* source, int count, float mean)
    {
        TVector center = TSimd.Create(mean);
        TVector sum = TSimd.Zero, square = TSimd.Zero;
        int i = 0;
        for (; i + TSimd.Width <= count; i += TSimd.Width)
        {
            TVector difference = TSimd.Subtract(TSimd.Load(source + i), center);
            sum = TSimd.Add(sum, difference);
            square = TSimd.MultiplyAdd(difference, difference, square);
        }

        double differences = TSimd.Sum(sum);
        double squares = TSimd.Sum(square);
        for (; i < count; i++)
        {
            double difference = source[i] - mean;
            differences += difference;
            squares += difference * difference;
        }

        return (differences, squares);
    }

    private static float NormaliseInDouble(float* source, int count, double epsilon, float* destination)
    {
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
            destination[i] = (float)((source[i] - mean - left) * scale);
        return (float)scale;
    }
}
