using MsResampler.Cpu;
using MsResampler.Cpu.Simd;
using NUnit.Framework;

namespace MsResampler.Tests.Cpu;

[TestFixtureSource(typeof(SimdFixtures), nameof(SimdFixtures.All))]
internal sealed unsafe class LayerNormTests<TSimd, TVector> : GuardedTests
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    private const float Guard = 12345.5f;

    private static int[] Counts
        => [.. new[] { 1, 2, TSimd.Width - 1, TSimd.Width, TSimd.Width + 1, (2 * TSimd.Width) + 3, 127,
        1024 }.Where(count => count > 0).Distinct()];

    // Of unit variance; far from zero; with a variance near ε, and far below.
    [Test]
    public void A_row_agrees_with_double_precision([ValueSource(nameof(Counts))] int count,
        [Values(0, 50)] float offset, [Values(1, 1e-3f, 1e-6f)] float scale)
    {
        const double Epsilon = 1e-6;
        AlignedBuffer weight = Values.Random(count, seed: 1);
        AlignedBuffer bias = Values.Random(count, seed: 2);
        AlignedBuffer source = Values.Random(count, seed: 3);
        foreach (ref float value in source.Span)
            value = offset + (scale * value);
        AlignedBuffer result = Values.Filled(count + 16, Guard);
        LayerNorm<TSimd, TVector> norm = new(weight.Span, bias.Span, Epsilon);

        norm.Apply(source.Pointer, result.Pointer);

        double[] x = Array.ConvertAll(source.Span.ToArray(), value => (double)value);
        double mean = x.Average();
        double factor = 1 / Math.Sqrt(x.Average(value => (value - mean) * (value - mean)) + Epsilon);
        for (int index = 0; index < count; index++)
        {
            double normal = (x[index] - mean) * factor;
            // The mean is a sum of count terms, one rounding each, then scaled by the factor and the weight; the
            // deviation carries the same error a second time, and ten more operations round what they yield.
            double shift = (count + 2) * Values.Roundoff * x.Max(Math.Abs) * factor;
            double bound = (Math.Abs(weight.Span[index]) * (shift + (Math.Abs(normal) *
                (shift + ((count + 10) * Values.Roundoff))))) + (2 * Values.Roundoff * (1 + Math.Abs(normal)));
            Assert.That((double)result.Span[index],
                Is.EqualTo((normal * weight.Span[index]) + bias.Span[index]).Within(bound));
        }

        Assert.That(result.Span[count..].ToArray(), Is.All.EqualTo(Guard));
        norm.Apply(source.Pointer, source.Pointer);
        Assert.That(Values.Bits(source.Span), Is.EqualTo(Values.Bits(result.Span[..count])), "in place");
    }

    [Test]
    public void A_constant_row_gives_the_bias([ValueSource(nameof(Counts))] int count)
    {
        AlignedBuffer bias = Values.Random(count, seed: 1);
        AlignedBuffer row = Values.Filled(count, 8);

        new LayerNorm<TSimd, TVector>(Values.Array(count, seed: 2), bias.Span, 1e-6).Apply(row.Pointer, row.Pointer);

        Assert.That(row.Span.ToArray(), Is.EqualTo(bias.Span.ToArray()));
    }
}
