using MsResampler.Cpu;
using MsResampler.Cpu.Simd;

namespace MsResampler.Tests.Cpu;

[TestFixtureSource(typeof(SimdFixtures), nameof(SimdFixtures.All))]
internal sealed unsafe class LayerNormTests<TSimd, TVector> : GuardedTests
    where TSimd : struct, ISimd<TVector>
{
    private const float Guard = 12345.5f;

    private static int[] Counts
        => [.. new[] { 1, 2, TSimd.Width - 1, TSimd.Width, TSimd.Width + 1, (2 * TSimd.Width) + 3, 127,
        1024 }.Where(count => count > 0).Distinct()];

    // Usual values, tiny values, and values larger than any variance.
    private static readonly double[] s_epsilons = [1e-6, 1e-30, 1e-300, 1, 1e80];

    // Rows whose squares or sums overflow or underflow float32, up to its limits, including denormals.
    private static readonly float[] s_scales =
        [1e-44f, 1e-38f, 1e-30f, 1e-22f, 1e-15f, 1e-6f, 1e-3f, 1, 1e6f, 1e18f, 1e19f, 1e25f, 1e38f, float.MaxValue];

    [Test]
    public void A_row_of_any_size_agrees_with_double_precision([ValueSource(nameof(Counts))] int count,
        [ValueSource(nameof(s_scales))] float scale, [ValueSource(nameof(s_epsilons))] double epsilon)
    {
        float[] source = Values.Array(count, seed: 3);
        foreach (ref float value in source.AsSpan())
            value *= scale;

        AssertAgrees(source, epsilon);
    }

    // Rows up to 10⁵ standard deviations from zero, and further: at 10⁷ a row contains three adjacent floats.
    [Test]
    public void A_row_far_from_zero_agrees_with_double_precision([ValueSource(nameof(Counts))] int count,
        [Values(-1000.1f, 33.3f, 3e37f, 1e-30f)] float offset,
            [Values(10, 1e3, 1e5, 1e6, 1e7)] double offsetPerDeviation,
        [Values(1e-6, 1e-300)] double epsilon)
    {
        float[] source = Values.Array(count, seed: 3);
        foreach (ref float value in source.AsSpan())
            value = (float)(offset * (1 + (value / offsetPerDeviation)));

        AssertAgrees(source, epsilon);
    }

    // One outlier shifts the mean of all other values.
    [Test]
    public void A_row_with_an_outlier_agrees_with_double_precision([ValueSource(nameof(Counts))] int count,
        [Values(1e4f, 1e10f, 1e20f, -3e38f)] float outlier, [Values(1e-6, 1e-300)] double epsilon)
    {
        float[] source = Values.Array(count, seed: 3);
        source[count / 2] = outlier;

        AssertAgrees(source, epsilon);
    }

    [Test]
    public void A_constant_row_is_normalised_to_the_bias([ValueSource(nameof(Counts))] int count,
        [Values(0, 8, 0.1f, 1.1f, 33.3f, 1000.1f, 1e-45f, 1e-38f, float.MaxValue, float.MinValue)] float value,
        [ValueSource(nameof(s_epsilons))] double epsilon)
    {
        AlignedBuffer bias = Values.Random(count, seed: 1);
        AlignedBuffer row = Values.Filled(count, value);

        new LayerNorm<TSimd, TVector>(Values.Array(count, seed: 2), bias.Span, epsilon).Apply(row.Pointer, row.Pointer);

        // The equality is exact: divided by √ε, any rounding of the mean would show.
        Assert.That(row.Span.ToArray(), Is.EqualTo(bias.Span.ToArray()));
    }

    // If an infinity gave finite results, the overflow would go unnoticed.
    [Test]
    public void A_row_with_a_non_finite_value_becomes_NaN_everywhere([ValueSource(nameof(Counts))] int count,
        [Values(float.NaN, float.PositiveInfinity, float.NegativeInfinity)] float value,
            [Values(1e-6, 1e80)] double epsilon)
    {
        for (int place = 0; place < count; place += Math.Max(1, count / 7))
        {
            AlignedBuffer row = Values.Random(count, seed: 1);
            row.Span[place] = value;

            new LayerNorm<TSimd, TVector>(Values.Array(count, seed: 2), Values.Array(count, seed: 3), epsilon)
                .Apply(row.Pointer, row.Pointer);

            Assert.That(row.Span.ToArray(), Is.All.NaN, $"{value} at {place}");
        }
    }

    private static void AssertAgrees(float[] values, double epsilon)
    {
        int count = values.Length;
        AlignedBuffer weight = Values.Random(count, seed: 1);
        AlignedBuffer bias = Values.Random(count, seed: 2);
        AlignedBuffer source = AlignedBuffer.Copy(values);
        AlignedBuffer result = Values.Filled(count + 16, Guard);
        LayerNorm<TSimd, TVector> norm = new(weight.Span, bias.Span, epsilon);

        norm.Apply(source.Pointer, result.Pointer);

        double[] x = Array.ConvertAll(values, value => (double)value);
        double mean = x.Average();
        double factor = 1 / Math.Sqrt(x.Average(value => (value - mean) * (value - mean)) + epsilon);
        // The number of roundings in a sum: two accumulators, then the lanes, then the remainder.
        int depth = (count / (2 * TSimd.Width)) + (2 * TSimd.Width) + 1;
        using (Assert.EnterMultipleScope())
        {
            for (int index = 0; index < count; index++)
            {
                double normal = (x[index] - mean) * factor;
                // With unit roundoff u: differences from the rounded mean are within u of their own size, which is at
                // most |normal| + 1 standard deviations, because the remaining mean is at most one deviation. The
                // error of their mean, which is at most one deviation too, is depth·u of their mean size, at most √2
                // deviations. The sum of squares is at most twice the variance, so depth roundings change it by
                // 2·depth·u and the factor by half of that. Eight more roundings: factor, shift, and two
                // multiplications and additions each.
                double error = Values.Roundoff * ((2 * depth) + (Math.Abs(normal) * (depth + 2)) + 8);
                double exact = (normal * weight.Span[index]) + bias.Span[index];
                double bound = (Math.Abs(weight.Span[index]) * error) + (2 * Values.Roundoff * Math.Abs(exact))
                    + (2 * Values.Roundoff * Math.Abs(normal * weight.Span[index]));
                Assert.That((double)result.Span[index], Is.EqualTo(exact).Within(bound), $"channel {index}");
            }
        }

        Assert.That(result.Span[count..].ToArray(), Is.All.EqualTo(Guard));
        norm.Apply(source.Pointer, source.Pointer);
        Assert.That(Values.Bits(source.Span), Is.EqualTo(Values.Bits(result.Span[..count])), "in place");
    }
}
