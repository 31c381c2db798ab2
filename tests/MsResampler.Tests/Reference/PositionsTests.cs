using MathNet.Numerics.LinearAlgebra;
using MsResampler.Reference;

namespace MsResampler.Tests.Reference;

public class PositionsTests
{
    [Test]
    public void The_sincos_table_puts_the_column_first()
    {
        // D = 8: q = 2, ω = (1, 1/100).
        double[] expected =
        [
            Math.Sin(3), Math.Sin(0.03), Math.Cos(3), Math.Cos(0.03),
            Math.Sin(5), Math.Sin(0.05), Math.Cos(5), Math.Cos(0.05),
        ];

        Assert.That(Positions.SinCos(y: 5, x: 3, width: 8), Is.EqualTo(expected).Within(1e-14));
    }

    [TestCase(0, 1, 1, 0.0)]
    [TestCase(0, 1, 3, 1.0)]
    [TestCase(0, 2, 4, 0.5)]
    [TestCase(1, 2, 4, 2.5)]
    [TestCase(2, 3, 3, 2.0)]
    [TestCase(0, 4, 2, -0.25)]
    [TestCase(3, 4, 2, 1.25)]
    public void Anchors_divide_the_patches_evenly(int queryIndex, int queryExtent, int patchExtent,
        double expected) => Assert.That(Positions.Anchor(queryIndex, queryExtent, patchExtent),
            Is.EqualTo(expected).Within(1e-14));

    [Test]
    public void Resizing_to_the_same_grid_keeps_the_table()
    {
        Matrix<double> table = Matrix<double>.Build.Random(12, 5, seed: 1);

        Assert.That(Positions.Resize(table, new QueryGrid(3, 4), new PatchGrid(3, 4)), Is.EqualTo(table));
    }

    [Test]
    public void Resizing_agrees_with_published_bicubic_values()
    {
        // The 4x4 table 1…16, doubled: the ONNX operator test "resize_upsample_scales_cubic". Its attributes (a =
        // -0.75, half_pixel, clamped edge taps) are those of PyTorch's interpolate(mode="bicubic",
        // align_corners=False).
        Matrix<double> table = Matrix<double>.Build.Dense(16, 1, (index, _) => index + 1);
        double[] firstRows =
        [
            0.47265625, 0.76953125, 1.24609375, 1.875, 2.28125, 2.91015625, 3.38671875, 3.68359375,
            1.66015625, 1.95703125, 2.43359375, 3.0625, 3.46875, 4.09765625, 4.57421875, 4.87109375,
        ];

        Matrix<double> resized = Positions.Resize(table, new QueryGrid(4, 4), new PatchGrid(8, 8));

        Assert.That(resized.Column(0).Take(16), Is.EqualTo(firstRows).Within(1e-14));
    }

    [Test]
    public void Resizing_does_not_mix_rows_and_columns()
    {
        // A table that varies only along the columns stays constant along the rows, for any extents.
        Matrix<double> table = Matrix<double>.Build.Dense(6, 1, (index, _) => index % 3);

        Matrix<double> resized = Positions.Resize(table, new QueryGrid(2, 3), new PatchGrid(5, 3));

        double[] expected = [.. Enumerable.Range(0, 15).Select(index => (double)(index % 3))];
        Assert.That(resized.Column(0), Is.EqualTo(expected).Within(1e-14));
    }

    [Test]
    public void Resizing_to_a_single_patch_averages_the_centre()
    {
        // Source index 1.5 of 4: the taps at distances 1.5, 0.5, 0.5, 1.5 have the weights -3/32, 19/32, 19/32,
        // -3/32.
        double[] expected = [-3 / 32.0, 19 / 32.0, 19 / 32.0, -3 / 32.0];

        Assert.That(Positions.BicubicWeights(4, 1).Row(0), Is.EqualTo(expected).Within(1e-14));
    }
}
