using MathNet.Numerics.LinearAlgebra;
using MsResampler.Cpu;
using MsResampler.Planning;
using MsResampler.Reference;
using MsResampler.Tests.Cpu;

namespace MsResampler.Tests.Planning;

public class PositionEmbeddingTests
{
    private static double SinCos(double y, double x, int width, int channel)
    {
        int quarter = width / 4;
        (int part, int k) = Math.DivRem(channel, quarter);
        double angle = (part < 2 ? x : y) * Math.Pow(10000, -(double)k / quarter);
        return part % 2 == 0 ? Math.Sin(angle) : Math.Cos(angle);
    }

    private static KeyPositions SinCosKeys(PatchGrid grid, int width)
    {
        BufferPool pool = new();
        return new KeyPositions(grid, Axis(grid.Rows), Axis(grid.Columns));

        PositionTable Axis(int extent)
            => PositionTable.OfAxis(new PartKey(PartKind.AxisPositions, Rows: extent), width, pool);
    }

    private static KeyPositions ResizedKeys(float[] table, QueryGrid from, PatchGrid grid, int width)
        => new(PositionTable.Resized(new PartKey(PartKind.ResizedPositions, Rows: grid.Rows, Columns: grid.Columns),
            table, from, width, new BufferPool()));

    [TestCase(0, 0, 8)]
    [TestCase(5, 3, 8)]
    [TestCase(-0.25, 1023.5, 4)]
    [TestCase(17.375, 40.125, 36)]
    public void A_position_has_the_sines_and_cosines_of_its_coordinates(double y, double x, int width)
    {
        float[] position = new float[width];

        PositionEmbedding.SinCos(x, position.AsSpan(0, width / 2));
        PositionEmbedding.SinCos(y, position.AsSpan(width / 2));

        // Computed in double precision and rounded once; sines and cosines are at most 1.
        for (int channel = 0; channel < width; channel++)
            Assert.That((double)position[channel], Is.EqualTo(SinCos(y, x, width, channel)).Within(Values.Roundoff));
    }

    [Test]
    public void Positions_of_a_grid_are_row_major_with_the_column_first([Values(4, 20, 64)] int width)
    {
        KeyPositions positions = SinCosKeys(new PatchGrid(3, 5), width);
        float[] zeros = new float[width];
        float[] sum = new float[width];

        for (int patch = 0; patch < 15; patch++)
        {
            positions.AddTo(zeros, patch, sum);
            for (int channel = 0; channel < width; channel++)
                Assert.That((double)sum[channel],
                    Is.EqualTo(SinCos(patch / 5, patch % 5, width, channel)).Within(Values.Roundoff));
        }
    }

    [Test]
    public void Positions_are_added_and_nothing_else_is_changed([Values] bool isResized)
    {
        PatchGrid grid = new(3, 2);
        KeyPositions positions = isResized
            ? ResizedKeys(Values.Array(2 * 2 * 8, seed: 1), new QueryGrid(2, 2), grid, 8)
            : SinCosKeys(grid, 8);
        float[] row = Values.Array(8, seed: 2);
        float[] position = new float[8];
        float[] sum = [.. Enumerable.Repeat(7f, 9)];

        positions.AddTo(new float[8], 5, position);
        positions.AddTo(row, 5, sum);

        Assert.That(sum, Is.EqualTo(row.Zip(position, (z, p) => z + p).Append(7)));
        Assert.That(position, Is.Unique);
    }

    [Test]
    public void A_table_of_patches_has_the_bits_that_are_added_to_keys(
        [Values] bool isStored, [Values(8, 11)] int stride)
    {
        const int Width = 8;
        PatchGrid grid = new(3, 5);
        QueryGrid queries = new(2, 4);
        float[] stored = isStored ? Values.Array(queries.QueryCount * Width, seed: 1) : [];
        KeyPositions keys = isStored ? ResizedKeys(stored, queries, grid, Width) : SinCosKeys(grid, Width);
        float[] table = [.. Enumerable.Repeat(7f, 15 * stride)];
        float[] expected = [.. table];

        PositionEmbedding.OfPatches(TypeOf(isStored), stored, queries, grid, Width, stride, table);

        for (int patch = 0; patch < 15; patch++)
            keys.AddTo(new float[Width], patch, expected.AsSpan(patch * stride, Width));
        Assert.That(table, Is.EqualTo(expected));
    }

    private static PositionEmbeddingType TypeOf(bool isStored)
        => isStored ? PositionEmbeddingType.Stored : PositionEmbeddingType.SinCos2D;

    [Test]
    public void Queries_use_the_embedding_of_their_anchors_or_the_table([Values] bool isStored)
    {
        const int Width = 12;
        PatchGrid grid = new(7, 4);
        QueryGrid queries = new(2, 3);
        float[] stored = isStored ? Values.Array(queries.QueryCount * Width, seed: 1) : [];
        float[] positions = new float[queries.QueryCount * Width];

        PositionEmbedding.OfQueries(TypeOf(isStored), stored, queries, grid, Width, positions);

        if (isStored)
        {
            Assert.That(positions, Is.EqualTo(stored));
            return;
        }

        // Row anchors are (i + ½)·7/2 − ½, column anchors (j + ½)·4/3 − ½.
        for (int index = 0; index < positions.Length; index++)
        {
            (int query, int channel) = Math.DivRem(index, Width);
            double y = (((query / 3) + 0.5) * 3.5) - 0.5;
            double x = (((query % 3) + 0.5) * 4 / 3) - 0.5;
            Assert.That((double)positions[index], Is.EqualTo(SinCos(y, x, Width, channel)).Within(Values.Roundoff));
        }
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
        QueryGrid from = new(fromRows, fromColumns);
        PatchGrid to = new(rows, columns);
        float[] table = Values.Array(from.QueryCount * Width, seed: 1);
        float[] resized = [.. Enumerable.Repeat(7f, rows * columns * Width)];

        PositionEmbedding.Resize(table, from, to, Width, Width, resized);

        Matrix<double> expected = Positions.Resize(Matrix<double>.Build.DenseOfRowMajor(from.QueryCount, Width,
            Array.ConvertAll(table, value => (double)value)), from, to);
        // Source positions up to 16 round to 16u and change a weight, whose slope is below 1.5, by 24u. 16 taps of
        // values up to 1 are summed, with as many roundings.
        const double Bound = ((4 * 24) + 16) * 2 * Values.Roundoff;
        for (int patch = 0; patch < to.PatchCount; patch++)
            for (int channel = 0; channel < Width; channel++)
                Assert.That((double)resized[(patch * Width) + channel],
                    Is.EqualTo(expected[patch, channel]).Within(Bound));
    }

    [Test]
    public void Resizing_to_the_same_grid_keeps_the_bits()
    {
        float[] table = Values.Array(3 * 4 * 5, seed: 1);
        float[] resized = new float[table.Length];

        PositionEmbedding.Resize(table, new QueryGrid(3, 4), new PatchGrid(3, 4), 5, 5, resized);

        Assert.That(resized, Is.EqualTo(table));
    }

    [Test]
    public void Resizing_agrees_with_published_bicubic_values()
    {
        // 1…16 on 4×4, doubled: the ONNX operator test "resize_upsample_scales_cubic".
        float[] table = [.. Enumerable.Range(1, 16).Select(value => (float)value)];
        float[] resized = new float[64];

        PositionEmbedding.Resize(table, new QueryGrid(4, 4), new PatchGrid(8, 8), 1, 1, resized);

        Assert.That(resized[..16], Is.EqualTo(new[]
        {
            0.47265625f, 0.76953125f, 1.24609375f, 1.875f, 2.28125f, 2.91015625f, 3.38671875f, 3.68359375f,
            1.66015625f, 1.95703125f, 2.43359375f, 3.0625f, 3.46875f, 4.09765625f, 4.57421875f, 4.87109375f,
        }).Within(16 * 16 * Values.Roundoff));
    }
}
