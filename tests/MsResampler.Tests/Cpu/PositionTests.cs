using MathNet.Numerics.LinearAlgebra;
using MsResampler.Cpu;
using MsResampler.Model;
using MsResampler.Reference;
using NUnit.Framework;

namespace MsResampler.Tests.Cpu;

public class PositionTests
{
    private static double SinCos(double y, double x, int width, int channel)
    {
        int quarter = width / 4;
        (int part, int k) = Math.DivRem(channel, quarter);
        double angle = (part < 2 ? x : y) * Math.Pow(10000, -(double)k / quarter);
        return part % 2 == 0 ? Math.Sin(angle) : Math.Cos(angle);
    }

    [TestCase(0, 0, 8)]
    [TestCase(5, 3, 8)]
    [TestCase(-0.25, 1023.5, 4)]
    [TestCase(17.375, 40.125, 36)]
    public void One_position(double y, double x, int width)
    {
        float[] position = new float[width];

        Position.SinCos(y, x, position);

        // Computed in double precision and rounded once; sines and cosines are at most 1.
        for (int channel = 0; channel < width; channel++)
            Assert.That((double)position[channel], Is.EqualTo(SinCos(y, x, width, channel)).Within(Values.Roundoff));
    }

    [Test]
    public void The_table_of_a_grid_is_row_major_and_column_first([Values(4, 20, 64)] int width, [Values(0, 5)] int padding)
    {
        PatchGrid grid = new(3, 5);
        int stride = width + padding;
        float[] table = [.. Enumerable.Repeat(7f, 15 * stride)];

        Position.SinCosGrid(grid, table, width, stride);

        for (int patch = 0; patch < 15; patch++)
            for (int channel = 0; channel < stride; channel++)
                Assert.That((double)table[(patch * stride) + channel], channel < width
                    ? Is.EqualTo(SinCos(patch / 5, patch % 5, width, channel)).Within(Values.Roundoff) : Is.EqualTo(7));
    }

    [TestCase(4, 4, 8, 8)]
    [TestCase(3, 5, 3, 5)]
    [TestCase(16, 16, 24, 32)]
    [TestCase(16, 16, 7, 1)]
    [TestCase(1, 1, 4, 9)]
    [TestCase(1, 7, 13, 2)]
    [TestCase(2, 3, 1, 61)]
    public void A_resized_table_agrees_with_double_precision(int fromRows, int fromColumns, int rows, int columns)
    {
        const int Width = 19;
        const int Stride = 23;
        QueryGrid from = new(fromRows, fromColumns);
        PatchGrid to = new(rows, columns);
        float[] table = Values.Array(from.QueryCount * Width, seed: 1);
        float[] resized = [.. Enumerable.Repeat(7f, rows * columns * Stride)];

        Position.Resize(table, from, to, resized, Width, Stride);

        Matrix<double> expected = Positions.Resize(Matrix<double>.Build.DenseOfRowMajor(from.QueryCount, Width,
            Array.ConvertAll(table, value => (double)value)), from, to);
        // Source positions up to 16 round to 16u and move a weight, whose slope is below 1.5, by 24u; 16 taps of values
        // up to 1 are summed, which rounds as often.
        const double Bound = ((4 * 24) + 16) * 2 * Values.Roundoff;
        for (int patch = 0; patch < to.PatchCount; patch++)
            for (int channel = 0; channel < Stride; channel++)
                Assert.That((double)resized[(patch * Stride) + channel], channel < Width
                    ? Is.EqualTo(expected[patch, channel]).Within(Bound) : Is.EqualTo(7));
    }

    [Test]
    public void Resizing_to_the_same_grid_changes_no_bit()
    {
        float[] table = Values.Array(3 * 4 * 5, seed: 1);
        float[] resized = new float[table.Length];

        Position.Resize(table, new QueryGrid(3, 4), new PatchGrid(3, 4), resized, 5, 5);

        Assert.That(resized, Is.EqualTo(table));
    }

    [Test]
    public void Resizing_agrees_with_published_bicubic_values()
    {
        // 1…16 on 4×4 doubled: the ONNX operator test "resize_upsample_scales_cubic".
        float[] table = [.. Enumerable.Range(1, 16).Select(value => (float)value)];
        float[] resized = new float[64];

        Position.Resize(table, new QueryGrid(4, 4), new PatchGrid(8, 8), resized, 1, 1);

        Assert.That(resized[..16], Is.EqualTo(new[]
        {
            0.47265625f, 0.76953125f, 1.24609375f, 1.875f, 2.28125f, 2.91015625f, 3.38671875f, 3.68359375f,
            1.66015625f, 1.95703125f, 2.43359375f, 3.0625f, 3.46875f, 4.09765625f, 4.57421875f, 4.87109375f,
        }).Within(16 * 16 * Values.Roundoff));
    }
}
