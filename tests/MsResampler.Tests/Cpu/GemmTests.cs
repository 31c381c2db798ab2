using MsResampler.Cpu;
using MsResampler.Cpu.Simd;

namespace MsResampler.Tests.Cpu;

[TestFixtureSource(typeof(SimdFixtures), nameof(SimdFixtures.All))]
internal sealed unsafe class GemmTests<TSimd, TVector> : GuardedTests
    where TSimd : struct, ISimd<TVector>
{
    private const float Guard = 12345.5f;

    private static readonly int s_panel = MicroKernel<TSimd, TVector>.PanelWidth;

    // Tiles have six or eight rows.
    private static int[] RowCounts => [1, 5, 6, 7, 8, 9, 12, 16, 37];

    private static int[] ColumnCounts
        => [.. new[] { 1, TSimd.Width - 1, TSimd.Width, TSimd.Width + 1, (2 * TSimd.Width) + 1,
        s_panel - 1, s_panel, s_panel + 1, (2 * s_panel) + 3, 101 }.Where(count => count > 0).Distinct()];

    private static int[] InnerCounts => [1, 2, 7, 64, 131];

    private static PackedMatrix Pack(ReadOnlySpan<float> weight, int columns, int inner,
        ReadOnlySpan<float> bias = default)
        => PackedMatrix.FromTransposed<TSimd, TVector>(weight, columns, inner, bias);

    private static void Multiply(float* a, int aStride, int rows, PackedMatrix b, float* c, int cStride)
    {
        for (int panel = 0; panel < b.PanelCount; panel++)
            Gemm<TSimd, TVector>.Panel(a, aStride, rows, b, panel, c, cStride);
        GC.KeepAlive(b);
    }

    [Test]
    public void A_product_agrees_with_loops_and_writes_only_its_result(
        [ValueSource(nameof(RowCounts))] int rows, [ValueSource(nameof(ColumnCounts))] int columns,
        [Values] bool hasBias)
    {
        foreach (int inner in InnerCounts)
        {
            int aStride = inner + 2;
            int cStride = columns + 3;
            AlignedBuffer a = Values.Random(rows * aStride, seed: 1);
            for (int row = 0; row < rows; row++)
                a.Span.Slice((row * aStride) + inner, 2).Fill(float.NaN);
            AlignedBuffer weight = Values.Random(columns * inner, seed: 2);
            AlignedBuffer bias = Values.Random(columns, seed: 3);
            AlignedBuffer c = Values.Filled(((rows + 2) * cStride) + s_panel, Guard);

            Multiply(a.Pointer, aStride, rows, Pack(weight.Span, columns, inner, hasBias ? bias.Span : default),
                c.Pointer + cStride, cStride);

            for (int index = 0; index < c.Count; index++)
            {
                (int row, int column) = ((index / cStride) - 1, index % cStride);
                if (row < 0 || row >= rows || column >= columns)
                {
                    if (c.Span[index] != Guard)
                        Assert.Fail($"inner {inner}: row {row}, column {column} is outside and was written");
                    continue;
                }

                // Each step rounds a partial sum that is at most the sum of all magnitudes: Higham, Accuracy and
                // Stability of Numerical Algorithms, section 3.1.
                double exact = hasBias ? bias.Span[column] : 0;
                double magnitude = Math.Abs(exact);
                for (int k = 0; k < inner; k++)
                {
                    double term = (double)a.Span[(row * aStride) + k] * weight.Span[(column * inner) + k];
                    exact += term;
                    magnitude += Math.Abs(term);
                }

                double bound = (inner + 1) * Values.Roundoff * magnitude;
                if (!(Math.Abs(c.Span[index] - exact) <= bound))
                    Assert.Fail($"inner {inner}, row {row}, column {column}: {c.Span[index]}, " +
                        $"expected {exact} ± {bound}");
            }
        }
    }

    [Test]
    public void A_product_can_be_added_to_a_matrix_or_to_its_own_result([Values] bool isInPlace)
    {
        const int Inner = 5;
        foreach (int rows in RowCounts)
        {
            foreach (int columns in ColumnCounts.Where(count => count <= s_panel))
            {
                int stride = columns + 1;
                PackedMatrix b = Pack(Values.Array(columns * Inner, seed: 1), columns, Inner);
                AlignedBuffer a = Values.Random(rows * Inner, seed: 2);
                AlignedBuffer init = Values.Random((rows * stride) + s_panel, seed: 3);
                AlignedBuffer c = isInPlace ? AlignedBuffer.Copy(init.Span) : Values.Filled(init.Count, Guard);
                AlignedBuffer product = new(rows * columns);
                Multiply(a.Pointer, Inner, rows, b, product.Pointer, columns);

                Gemm<TSimd, TVector>.Multiply(a.Pointer, Inner, rows, Inner, b.Panel(0), b.WidthOf(0), b.WidthOf(0),
                    columns, isInPlace ? c.Pointer : init.Pointer, stride, c.Pointer, stride);

                for (int index = 0; index < c.Count; index++)
                {
                    (int row, int column) = Math.DivRem(index, stride);
                    bool isInside = row < rows && column < columns;
                    // Six products and sums of magnitude at most 1.
                    Assert.That(c.Span[index], isInside
                        ? Is.EqualTo(init.Span[index] + product.Span[(row * columns) + column])
                            .Within(12 * 6 * Values.Roundoff)
                        : Is.EqualTo(isInPlace ? init.Span[index] : Guard));
                }
            }
        }
    }

    [Test]
    public void Bits_of_an_element_do_not_depend_on_the_rows_around_it()
    {
        const int Inner = 67;
        const int Rows = 25;
        int columns = (2 * s_panel) + 5;
        PackedMatrix b = Pack(Values.Array(columns * Inner, seed: 1), columns, Inner, Values.Array(columns, seed: 2));
        AlignedBuffer a = Values.Random(Rows * Inner, seed: 3);
        AlignedBuffer all = new(Rows * columns);
        AlignedBuffer some = new(Rows * columns);
        Multiply(a.Pointer, Inner, Rows, b, all.Pointer, columns);

        for (int first = 0; first < Rows; first++)
        {
            for (int count = 1; count <= Math.Min(11, Rows - first); count++)
            {
                Multiply(a.Pointer + (first * Inner), Inner, count, b, some.Pointer, columns);
                Assert.That(Values.Bits(some.Span[..(count * columns)]),
                    Is.EqualTo(Values.Bits(all.Span.Slice(first * columns, count * columns))));
            }
        }
    }

    [Test]
    public void Bits_of_an_element_do_not_depend_on_the_width_of_its_tile()
    {
        const int Inner = 67;
        const int Rows = 7;
        AlignedBuffer weight = Values.Random(s_panel * Inner, seed: 1);
        AlignedBuffer a = Values.Random(Rows * Inner, seed: 2);
        AlignedBuffer wide = new(Rows * s_panel);
        Multiply(a.Pointer, Inner, Rows, Pack(weight.Span, s_panel, Inner), wide.Pointer, s_panel);

        for (int columns = 1; columns < s_panel; columns++)
        {
            AlignedBuffer narrow = new(Rows * columns);
            Multiply(a.Pointer, Inner, Rows, Pack(weight.Span[..(columns * Inner)], columns, Inner), narrow.Pointer,
                columns);
            for (int row = 0; row < Rows; row++)
                Assert.That(Values.Bits(narrow.Span.Slice(row * columns, columns)),
                    Is.EqualTo(Values.Bits(wide.Span.Slice(row * s_panel, columns))), $"{columns} columns, row {row}");
        }
    }

    [Test]
    public void Strides_and_single_rows_do_not_change_the_bits()
    {
        const int Inner = 29;
        float** rows = stackalloc float*[MicroKernel<TSimd, TVector>.MaxRowCount];
        int* offsets = stackalloc int[2 * Inner];
        for (int width = TSimd.Width; width <= s_panel; width *= 2)
        {
            int rowCount = MicroKernel<TSimd, TVector>.RowCount(width);
            AlignedBuffer a = Values.Random(Inner * rowCount, seed: 1);
            AlignedBuffer b = Values.Random(Inner * width, seed: 2);
            AlignedBuffer init = Values.Random(width, seed: 3);
            AlignedBuffer scattered = new(Inner * width);
            AlignedBuffer tile = new(rowCount * width);
            AlignedBuffer gathered = new(rowCount * width);
            AlignedBuffer row = new(width);
            // A transposed left operand: its rows are one float apart and its steps one row of six or eight. The
            // right operand is read backwards.
            for (int r = 0; r < rowCount; r++)
                rows[r] = a.Pointer + r;
            for (int k = 0; k < Inner; k++)
            {
                offsets[2 * k] = k * rowCount;
                offsets[(2 * k) + 1] = (Inner - 1 - k) * width;
                b.Span.Slice(k * width, width).CopyTo(scattered.Span[offsets[(2 * k) + 1]..]);
            }

            MicroKernel<TSimd, TVector>.Tile(width, rows, rowCount, Inner, b.Pointer, width, init.Pointer, 0,
                tile.Pointer, width);
            MicroKernel<TSimd, TVector>.Gather(width, rows, scattered.Pointer, offsets, Inner, init.Pointer, 0,
                gathered.Pointer, width);

            Assert.That(Values.Bits(gathered.Span), Is.EqualTo(Values.Bits(tile.Span)));
            for (int r = 0; r < rowCount; r++)
            {
                MicroKernel<TSimd, TVector>.GatherRow(width, a.Pointer + r, scattered.Pointer, offsets, Inner,
                    init.Pointer, row.Pointer);
                Assert.That(Values.Bits(row.Span), Is.EqualTo(Values.Bits(tile.Span.Slice(r * width, width))));
            }

            GC.KeepAlive((a, b, init, scattered));
            GC.KeepAlive((tile, gathered, row));
        }
    }

    [Test]
    public void A_product_can_be_stored_head_by_head([Values(1, 3, 8, 16, 17, 32, 64, 67)] int headSize,
        [Values(1, 2, 5)] int headCount)
    {
        const int Inner = 9;
        int columns = headCount * headSize;
        PackedMatrix b = Pack(Values.Array(columns * Inner, seed: 1), columns, Inner, Values.Array(columns, seed: 2));
        foreach (int rows in RowCounts)
        {
            AlignedBuffer a = Values.Random(rows * Inner, seed: 3);
            AlignedBuffer plain = new(rows * columns);
            Multiply(a.Pointer, Inner, rows, b, plain.Pointer, columns);
            HeadLayout layout = HeadLayout.For(headSize, rows);
            AlignedBuffer heads = Values.Filled((int)(headCount * layout.HeadStride) + 16, Guard);

            for (int panel = 0; panel < b.PanelCount; panel++)
                Gemm<TSimd, TVector>.PanelToHeads(a.Pointer, Inner, rows, b, panel, heads.Pointer, layout);

            float[] expected = [.. Enumerable.Repeat(Guard, heads.Count)];
            for (int row = 0; row < rows; row++)
                for (int column = 0; column < columns; column++)
                    expected[(column / headSize * layout.HeadStride) + (row * layout.RowStride) + (column % headSize)] =
                        plain.Span[(row * columns) + column];
            Assert.That(Values.Bits(heads.Span), Is.EqualTo(Values.Bits(expected)), $"{rows} rows");
            GC.KeepAlive((a, b, plain, heads));
        }
    }

    [Test]
    public void Prefetching_does_not_change_the_result()
    {
        const int Inner = 13;
        const int Rows = 40;
        int columns = 3 * s_panel;
        PackedMatrix b = Pack(Values.Array(columns * Inner, seed: 1), columns, Inner);
        AlignedBuffer a = Values.Random(Rows * Inner, seed: 2);
        AlignedBuffer plain = new(Rows * columns);
        AlignedBuffer fetched = new(Rows * columns);
        Multiply(a.Pointer, Inner, Rows, b, plain.Pointer, columns);

        for (int panel = 0; panel < b.PanelCount; panel++)
            Gemm<TSimd, TVector>.Panel(a.Pointer, Inner, Rows, b, panel, fetched.Pointer, columns,
                b.Memory((panel + 1) % b.PanelCount, 0, Inner));

        Assert.That(Values.Bits(fetched.Span), Is.EqualTo(Values.Bits(plain.Span)));
        GC.KeepAlive((a, b, plain, fetched));
    }

    [Test]
    public void Packing_keeps_every_weight_and_pads_with_zeros([ValueSource(nameof(ColumnCounts))] int columns)
    {
        foreach (int inner in InnerCounts)
        {
            AlignedBuffer weight = Values.Random(columns * inner, seed: 1);
            AlignedBuffer bias = Values.Random(columns, seed: 2);
            AlignedBuffer copy = Values.Filled((columns * inner) + 1, Guard);

            PackedMatrix packed = Pack(weight.Span, columns, inner, bias.Span);
            packed.CopyWeightTo(copy.Pointer);

            Assert.That(copy.Span[..^1].SequenceEqual(weight.Span), Is.True);
            Assert.That(copy.Span[^1], Is.EqualTo(Guard));
            Assert.That(packed.BiasValues.SequenceEqual(bias.Span), Is.True);
            Assert.That(Pack(weight.Span, columns, inner).BiasValues.ToArray(), Is.All.Zero);
            Assert.That((packed.InnerCount, packed.ColumnCount), Is.EqualTo((inner, columns)));
            Assert.That(Enumerable.Range(0, packed.PanelCount).Sum(packed.ColumnsOf), Is.EqualTo(columns));
            int last = packed.PanelCount - 1;
            for (int k = 0; k < inner; k++)
                for (int column = packed.ColumnsOf(last); column < packed.WidthOf(last); column++)
                    Assert.That(packed.Panel(last)[(k * packed.WidthOf(last)) + column], Is.Zero);
        }
    }

    [Test]
    public void Whole_panels_of_a_matrix_are_a_matrix_of_their_own([Values(1, 2)] int panelCount)
    {
        const int Inner = 13;
        const int Rows = 7;
        int columns = (4 * s_panel) + 1;
        PackedMatrix b = Pack(Values.Array(columns * Inner, seed: 1), columns, Inner, Values.Array(columns, seed: 2));
        AlignedBuffer a = Values.Random(Rows * Inner, seed: 3);
        AlignedBuffer whole = new(Rows * columns);
        AlignedBuffer part = Values.Filled(Rows * columns, Guard);
        Multiply(a.Pointer, Inner, Rows, b, whole.Pointer, columns);

        PackedMatrix middle = b.Columns(s_panel, 3 * s_panel);
        PackedMatrix columnsOfPart = middle.Columns(s_panel, panelCount * s_panel);
        Multiply(a.Pointer, Inner, Rows, columnsOfPart, part.Pointer, columns);

        Assert.That((columnsOfPart.InnerCount, columnsOfPart.ColumnCount), Is.EqualTo((Inner, panelCount * s_panel)));
        for (int row = 0; row < Rows; row++)
            for (int column = 0; column < columns; column++)
                Assert.That(part.Span[(row * columns) + column], Is.EqualTo(column < panelCount * s_panel
                    ? whole.Span[(row * columns) + (2 * s_panel) + column] : Guard));
        Assert.That(columnsOfPart.BiasValues.SequenceEqual(
            b.BiasValues.Slice(2 * s_panel, panelCount * s_panel)), Is.True);
        GC.KeepAlive((a, b));
    }

    [Test]
    public void Weights_are_folded_in_double_precision_at_load([ValueSource(nameof(ColumnCounts))] int columns)
    {
        foreach (int inner in InnerCounts)
        {
            float[] weight = Values.Array(columns * inner, seed: 1);
            double[] vector = Array.ConvertAll(Values.Array(inner, seed: 2), value => value * 1e40);
            PackedMatrix packed = Pack(weight, columns, inner);
            double[] expected = [.. Enumerable.Range(0, columns).Select(column =>
                Enumerable.Range(0, inner).Sum(k => weight[(column * inner) + k] * vector[k]))];

            Assert.That(packed.Multiply(vector), Is.EqualTo(expected).Within(1e40 * inner * 1e-15));
            Assert.That(packed.Multiply(new double[inner]), Is.All.Zero);
            Assert.That(packed.TrySetBias([.. expected.Select(value => value * 1e-40)]), Is.True);
            Assert.That(packed.BiasValues.ToArray(), Is.EqualTo(expected.Select(value => (float)(value * 1e-40))));
            Assert.That(packed.TrySetBias([.. expected.Select((_, column) => column == columns - 1 ? 1e39 : 0)]),
                Is.False);
        }
    }

    [Test]
    public void Subtracting_means_leaves_columns_with_sum_zero([ValueSource(nameof(ColumnCounts))] int columns)
    {
        foreach (int inner in InnerCounts)
        {
            float[] weight = [.. Values.Array(columns * inner, seed: 1).Select(value => value + 1000)];
            AlignedBuffer result = new(columns * inner);
            PackedMatrix packed = Pack(weight, columns, inner);

            Assert.That(packed.TrySubtractMeans(), Is.True);

            packed.CopyWeightTo(result.Pointer);
            for (int k = 0; k < inner; k++)
            {
                double mean = Enumerable.Range(0, columns).Average(column => (double)weight[(column * inner) + k]);
                for (int column = 0; column < columns; column++)
                    Assert.That((double)result.Span[(column * inner) + k],
                        Is.EqualTo(weight[(column * inner) + k] - mean).Within(2 * Values.Roundoff));
            }

            int last = packed.PanelCount - 1;
            for (int k = 0; k < inner; k++)
                for (int column = packed.ColumnsOf(last); column < packed.WidthOf(last); column++)
                    Assert.That(packed.Panel(last)[(k * packed.WidthOf(last)) + column], Is.Zero);
        }
    }

    [Test]
    public void Subtracting_means_reports_values_beyond_float32()
    {
        float[] weight = new float[3 * 5];
        weight[2] = weight[5 + 2] = -float.MaxValue;
        weight[10 + 2] = float.MaxValue;

        Assert.That(Pack(weight, 3, 5).TrySubtractMeans(), Is.False);
    }
}
