using MsResampler.Kernels.Gemm;
using NUnit.Framework;

namespace MsResampler.Kernels.Tests.Kernels;

/// <summary>Products on tensor cores against loops in double precision over the rounded inputs.</summary>
public sealed class GemmMmaTests
{
    /// <summary>Around a warp's, a small and a large tile, primes, long and thin, more than a band of tiles; k around a
    /// chunk, a slice and more slices than stages.</summary>
    private static readonly GemmMmaSize[] s_sizes =
    [
        new(1, 1, 1), new(1, 129, 31), new(63, 65, 32), new(64, 64, 64), new(65, 63, 33), new(127, 61, 67),
        new(128, 128, 96), new(129, 127, 8), new(61, 3, 257), new(257, 5, 7), new(2, 259, 71), new(31, 37, 41, 3),
        new(1217, 131, 9),
    ];

    private static IEnumerable<TestCaseData> Cases()
    {
        foreach (GemmMmaCase types in GemmMmaCase.All)
        {
            foreach (GemmMmaShape shape in GemmMmaShape.All)
            {
                foreach (GemmMmaSize size in s_sizes)
                {
                    yield return new TestCaseData(types, shape, size).SetArgDisplayNames(types.ToString(),
                        shape.Tile.Name, $"{size.Products} of {size.Rows} rows", $"{size.Columns} columns",
                        $"{size.Inner} deep");
                }
            }
        }
    }

    [TestCaseSource(nameof(Cases))]
    public void Products_agree_with_loops(object types, object shape, object size)
        => Check((GemmMmaCase)types, (GemmMmaShape)shape, (GemmMmaSize)size, hasGelu: false);

    [Test]
    public void Gelu_is_applied_before_rounding([Values(0, 1, 2, 3, 4)] int types)
        => Check(GemmMmaCase.All[types], GemmMmaShape.Small, new GemmMmaSize(67, 61, 40), hasGelu: true);

    [Test]
    public void An_element_is_the_same_bit_for_bit_in_every_tile_batch_and_order_of_warps(
        [Values(0, 1, 2, 3, 4)] int types)
    {
        var size = new GemmMmaSize(131, 70, 83);
        GemmMmaCase kernels = GemmMmaCase.All[types];
        float[] a = Values.Normal(size.Rows * size.Inner, 1);
        float[] w = Values.Normal(size.Columns * size.Inner, 2);
        float[] bias = Values.Normal(size.Columns, 3);

        float[] expected = kernels.Run(GemmMmaShape.Large, a, w, bias, size).C;

        using (Assert.EnterMultipleScope())
        {
            foreach (GemmMmaShape shape in GemmMmaShape.All)
                Assert.That(kernels.Run(shape, a, w, bias, size, seed: 7).C, Is.EqualTo(expected), shape.Tile.Name);
            foreach (int first in new[] { 17, size.Rows - 1 })
            {
                float[] rest = kernels.Run(GemmMmaShape.Small, a[(first * size.Inner)..], w, bias,
                    size with { Rows = size.Rows - first }).C;
                Assert.That(rest, Is.EqualTo(expected[(first * size.Columns)..]), $"from row {first}");
            }
        }
    }

    [TestCase(65519.99f, false)]
    [TestCase(65520f, true)]
    [TestCase(-65520f, true)]
    [TestCase(float.PositiveInfinity, true)]
    [TestCase(float.NaN, true)]
    public void A_value_outside_float16_is_reported(float bias, bool isOutside)
    {
        // The last element of a second tile, all others being zero.
        var size = new GemmMmaSize(65, 65, 8);
        float[] zeros = new float[size.Rows * size.Inner];
        float[] biases = new float[size.Columns];
        biases[^1] = bias;

        GemmMmaResult half = GemmMmaCase.HalfToHalf.Run(GemmMmaShape.Small, zeros, zeros, biases, size);
        GemmMmaResult single = GemmMmaCase.HalfToSingle.Run(GemmMmaShape.Small, zeros, zeros, biases, size);

        using (Assert.EnterMultipleScope())
        {
            Assert.That(half.Outside, Is.EqualTo(isOutside ? 1 : 0));
            Assert.That(half.C[^1], Is.EqualTo((float)(Half)bias));
            Assert.That(single.Outside, Is.Zero);
            Assert.That(single.C[^1], Is.EqualTo(bias));
        }
    }

    [Test]
    public void A_sum_outside_float16_is_reported()
    {
        var size = new GemmMmaSize(1, 1, 2);
        float[] values = [256, 256];

        Assert.That(GemmMmaCase.HalfToHalf.Run(GemmMmaShape.Small, values, values, [0], size).Outside, Is.EqualTo(1));
        Assert.That(GemmMmaCase.HalfToHalf.Run(GemmMmaShape.Small, values, values, [-98304], size).Outside, Is.Zero);
    }

    private static void Check(GemmMmaCase types, GemmMmaShape shape, GemmMmaSize size, bool hasGelu)
    {
        float[] a = Values.Normal(size.Products * size.Rows * size.Inner, 1);
        float[] w = Values.Normal(size.Products * size.Columns * size.Inner, 2);
        float[] bias = Values.Normal(size.Products * size.Columns, 3);

        GemmMmaResult result = types.Run(shape, a, w, bias, size, hasGelu);

        double worst = 0;
        for (int index = 0; index < result.C.Length; index++)
        {
            int column = index % size.Columns;
            int row = index / size.Columns;
            int product = row / size.Rows;
            double sum = bias[(product * size.Columns) + column];
            double magnitude = Math.Abs(sum);
            for (int k = 0; k < size.Inner; k++)
            {
                double term = (double)types.Round(a[(row * size.Inner) + k])
                    * types.Round(w[(((product * size.Columns) + column) * size.Inner) + k]);
                sum += term;
                magnitude += Math.Abs(term);
            }

            double expected = hasGelu ? Gelu(sum) : sum;
            worst = Math.Max(worst, Math.Abs(result.C[index] - expected)
                / Tolerance(types, size.Inner, magnitude, expected, hasGelu ? Math.Abs(sum) : 0));
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(worst, Is.LessThanOrEqualTo(1), "the worst error as a part of what is allowed");
            Assert.That(result.IsPaddingKept, "padding between rows of C");
            Assert.That(result.Outside, Is.Zero);
        }
    }

    /// <summary>How far one element may be from exact arithmetic. Each of the inner + 1 additions rounds a partial sum,
    /// which is at most the sum of the terms' magnitudes, by u = 2⁻²⁴. GELU is at most 1.13 times as steep as the line,
    /// and its own error is near 2⁻²² of its argument; 2⁻²⁰ is allowed. Then the result is rounded to C's type, the
    /// smallest of which stand 2⁻²⁴ apart.</summary>
    private static double Tolerance(GemmMmaCase types, int inner, double magnitude, double expected, double argument)
    {
        double single = (1.13 * (inner + 1) * Math.ScaleB(1, -24) * magnitude) + (Math.ScaleB(1, -20) * argument);
        return single + (types.OutputRoundoff * (Math.Abs(expected) + single)) + Math.ScaleB(1, -25);
    }

    private static double Gelu(double x) => 0.5 * x * MathNet.Numerics.SpecialFunctions.Erfc(-x / Math.Sqrt(2));
}
