using MsResampler.Kernels.Gemm;

namespace MsResampler.Kernels.Tests.Kernels;

/// <summary>Tensor-core products, compared with loops in double precision over the rounded inputs.</summary>
public sealed class GemmMmaTests
{
    /// <summary>Sizes around the tile of a warp, a small and a large tile, primes, long and thin, more than one band
    /// of tiles; k around a chunk, a slice, and more slices than stages.</summary>
    private static readonly GemmMmaSize[] s_sizes =
    [
        new(1, 1, 1), new(1, 129, 31), new(63, 65, 32), new(64, 64, 64), new(65, 63, 33), new(127, 61, 67),
        new(128, 128, 96), new(129, 127, 8), new(61, 3, 257), new(257, 5, 7), new(2, 259, 71), new(31, 37, 41, 3),
        new(1217, 131, 9),
    ];

    /// <summary>Sizes around the 32 columns whose squares are summed, and around a tile.</summary>
    private static readonly GemmMmaSize[] s_finishedSizes =
    [
        new(1, 1, 1), new(9, 33, 8), new(65, 127, 33), new(130, 160, 40),
    ];

    private static IEnumerable<TestCaseData> Cases() => CasesOf(GemmMmaCase.All, s_sizes);

    private static IEnumerable<TestCaseData> FinishedCases() => CasesOf(GemmMmaCase.OnePerElement, s_finishedSizes);

    private static IEnumerable<TestCaseData> CasesOf(IEnumerable<GemmMmaCase> cases, GemmMmaSize[] sizes)
    {
        foreach (GemmMmaCase types in cases)
        {
            foreach (GemmShape shape in GemmShape.Mma)
            {
                foreach (GemmMmaSize size in sizes)
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
        => Check((GemmMmaCase)types, (GemmShape)shape, (GemmMmaSize)size, GemmMmaFinish.Linear);

    [TestCaseSource(nameof(FinishedCases))]
    public void Squares_of_rows_are_summed_per_32_columns(object types, object shape, object size)
        => Check((GemmMmaCase)types, (GemmShape)shape, (GemmMmaSize)size, GemmMmaFinish.Squares);

    [TestCaseSource(nameof(FinishedCases))]
    public void Rows_are_scaled_and_table_rows_are_added(object types, object shape, object size)
    {
        var extents = (GemmMmaSize)size;
        GemmMmaScales scales = ScalesFor(extents, 3);
        Check((GemmMmaCase)types, (GemmShape)shape, extents, GemmMmaFinish.Scaled, scales);
    }

    [TestCase(0, 0)]
    [TestCase(0, 7)]
    [TestCase(1, 0)]
    [TestCase(16, 1)]
    [TestCase(17, 16)]
    public void Squares_are_optional_and_the_table_may_have_fewer_columns(int squareCount, int tableVectors)
    {
        var size = new GemmMmaSize(67, 61, 40);
        foreach (GemmShape shape in GemmShape.Mma)
        {
            Check(GemmMmaCase.HalfToSingle, shape, size, GemmMmaFinish.Scaled,
                ScalesFor(size, squareCount, tableVectors));
        }
    }

    [Test]
    public void Gelu_is_applied_before_rounding([Values(0, 1, 2, 3, 4)] int types)
        => Check(GemmMmaCase.All[types], GemmShape.Small, new GemmMmaSize(67, 61, 40), GemmMmaFinish.Gelu);

    [Test]
    public void Results_may_be_stored_by_groups_of_columns([Values] GemmMmaFinish finish, [Values(0, 2)] int types)
    {
        // All products would store their squares at the same places.
        var size = new GemmMmaSize(67, 61, 40, Products: finish == GemmMmaFinish.Squares ? 1 : 2);
        GemmMmaCase kernels = GemmMmaCase.OnePerElement[types];
        float[] a = Values.Normal(size.Products * size.Rows * size.Inner, 1);
        float[] w = Values.Normal(size.Products * size.Columns * size.Inner, 2);
        float[] bias = Values.Normal(size.Products * size.Columns, 3);
        GemmMmaScales scales = ScalesFor(size, 3);

        GemmMmaResult byRows = kernels.Run(GemmShape.Small, a, w, bias, size, finish, scales);
        GemmMmaResult byColumns = kernels.Run(GemmShape.Small, a, w, bias, size, finish, scales,
            isColumnMajor: true);

        Assert.That(byColumns.C, Is.EqualTo(byRows.C));
        Assert.That(byColumns.IsPaddingKept);
    }

    [Test]
    public void An_element_has_the_same_bits_in_any_tile_batch_and_warp_order(
        [Values(0, 1, 2)] int types, [Values] GemmMmaFinish finish)
    {
        var size = new GemmMmaSize(131, 70, 83);
        GemmMmaCase kernels = GemmMmaCase.OnePerElement[types];
        float[] a = Values.Normal(size.Rows * size.Inner, 1);
        float[] w = Values.Normal(size.Columns * size.Inner, 2);
        float[] bias = Values.Normal(size.Columns, 3);
        GemmMmaScales scales = ScalesFor(size, 5);

        GemmMmaResult expected = kernels.Run(GemmShape.Large, a, w, bias, size, finish, scales);

        using (Assert.EnterMultipleScope())
        {
            foreach (GemmShape shape in GemmShape.Mma)
            {
                GemmMmaResult result = kernels.Run(shape, a, w, bias, size, finish, scales, seed: 7);
                Assert.That(result.C, Is.EqualTo(expected.C), shape.Tile.Name);
                Assert.That(result.Squares, Is.EqualTo(expected.Squares), shape.Tile.Name);
            }

            foreach (int first in new[] { 17, size.Rows - 1 })
            {
                GemmMmaResult rest = kernels.Run(GemmShape.Small, a[(first * size.Inner)..], w, bias,
                    size with { Rows = size.Rows - first }, finish, scales.From(first));
                Assert.That(rest.C, Is.EqualTo(expected.C[(first * size.Columns)..]), $"from row {first}");
                Assert.That(rest.Squares, Is.EqualTo(expected.Squares.Where((_, index)
                    => index % size.Rows >= first)), $"from row {first}");
            }
        }
    }

    [TestCase(0, 65519.99f, false)]
    [TestCase(0, 65520f, true)]
    [TestCase(0, -65520f, true)]
    [TestCase(0, float.NegativeInfinity, true)]
    [TestCase(0, float.NaN, true)]
    [TestCase(1, 65520f, false)]
    [TestCase(1, float.MaxValue, false)]
    [TestCase(1, float.PositiveInfinity, true)]
    [TestCase(1, float.NaN, true)]
    [TestCase(2, 3.39e38f, false)]
    [TestCase(2, float.MaxValue, true)]
    [TestCase(4, float.MinValue, false)]
    [TestCase(4, float.NegativeInfinity, true)]
    public void A_value_beyond_the_type_becomes_NaN_and_its_row_is_noted(int types, float bias, bool isOutside)
    {
        // The last element of a second tile; all others are zero.
        var size = new GemmMmaSize(65, 65, 8);
        GemmMmaCase kernels = GemmMmaCase.All[types];
        float[] zeros = new float[size.Rows * size.Inner];
        float[] biases = new float[size.Columns];
        biases[^1] = bias;

        GemmMmaResult result = kernels.Run(GemmShape.Small, zeros, zeros, biases, size, firstNoted: 7);

        using (Assert.EnterMultipleScope())
        {
            Assert.That(result.Noted, Is.EqualTo(isOutside ? 7 : GemmMmaResult.NoRow));
            Assert.That(float.IsNaN(result.C[^1]), Is.EqualTo(isOutside));
            Assert.That(result.C[..^1].Where((_, index) => index % 65 < 64), Has.All.Zero);
        }
    }

    [Test]
    public void The_lowest_row_is_noted_for_any_order_of_blocks([Values(0, 1, 2, 3)] int shape,
        [Values(0, 7, 8, 31, 63, 64, 130, 256)] int lowest)
    {
        var size = new GemmMmaSize(257, 65, 8);
        float[] a = new float[size.Rows * size.Inner];
        float[] w = [.. Enumerable.Repeat(1f, size.Columns * size.Inner)];
        foreach (int row in new[] { lowest, 200, 256 }.Where(row => row >= lowest))
            a[(row * size.Inner) + 3] = float.NaN;
        for (ulong seed = 1; seed < 4; seed++)
        {
            Assert.That(GemmMmaCase.HalfToSingle.Run(GemmShape.Mma[shape], a, w, new float[size.Columns], size,
                seed: seed, firstNoted: 1000).Noted, Is.EqualTo(1000 + lowest));
        }

        Assert.That(() => GemmMmaCase.HalfToSingle.Run(GemmShape.Mma[shape], a, w, new float[size.Columns], size,
            firstNoted: -1), Throws.Nothing, "without a note");
    }

    [Test]
    public void A_limit_applies_to_magnitudes_after_the_epilogue([Values(0, 1, 2)] int types)
    {
        var size = new GemmMmaSize(1, 4, 1);
        float[] values = GemmMmaCase.OnePerElement[types]
            .Run(GemmShape.Small, [0], new float[4], [1.9f, -1.9f, 2, -2],
            size, limit: 2).C;
        Assert.That(values.Select(float.IsNaN), Is.EqualTo(new[] { false, false, true, true }));
    }

    [Test]
    public void An_overflow_before_GELU_is_not_hidden()
    {
        // GELU(+∞) is +∞; GELU(−∞) would be 0·∞.
        var size = new GemmMmaSize(1, 2, 1);
        GemmMmaResult result = GemmMmaCase.All[4].Run(GemmShape.Small, [3e38f], [10, -10], new float[2], size,
            GemmMmaFinish.Gelu);
        Assert.That(result.C, Has.All.NaN);
    }

    [Test]
    public void A_sum_beyond_float16_is_reported()
    {
        var size = new GemmMmaSize(1, 1, 2);
        float[] values = [256, 256];

        Assert.That(GemmMmaCase.HalfToHalf.Run(GemmShape.Small, values, values, [0], size).Noted, Is.Zero);
        Assert.That(GemmMmaCase.HalfToHalf.Run(GemmShape.Small, values, values, [-98304], size).Noted,
            Is.EqualTo(GemmMmaResult.NoRow));
    }

    [TestCase(4, 0, false)]
    [TestCase(1, 0, true)]
    [TestCase(4, 65520 - 32768, true)]
    [TestCase(1, -65536, false)]
    public void The_stored_value_decides_whether_it_overflows_float16(float square, float table, bool isOutside)
    {
        // The sum is 65536; a mean square of 4 halves it.
        var size = new GemmMmaSize(1, 1, 2);
        float[] values = [256, 256];
        float[] w = [128, 128];
        var scales = new GemmMmaScales
        {
            Squares = [square],
            Count = 1,
            Epsilon = 0,
            Table = [table, 0, 0, 0],
            TableVectors = 1,
            TableStarts = [0],
        };

        Assert.That(GemmMmaCase.HalfToHalf.Run(GemmShape.Small, values, w, [0], size, GemmMmaFinish.Scaled, scales)
            .Noted, Is.EqualTo(isOutside ? 0 : GemmMmaResult.NoRow));
    }

    /// <summary>Squares of rows and a table of three rows, by default for all columns.</summary>
    private static GemmMmaScales ScalesFor(GemmMmaSize size, int squareCount, int? tableVectors = null)
    {
        const int TableRows = 3;
        int vectors = tableVectors ?? (size.Columns + 3) / 4;
        float[] table = new float[TableRows * vectors * 4];
        for (int row = 0; row < TableRows; row++)
        {
            Values.Normal(Math.Min(size.Columns, vectors * 4), 4 + row).CopyTo(table.AsSpan(row * vectors * 4));
        }

        return new GemmMmaScales
        {
            Squares = [.. Values.Normal(squareCount * size.Rows, 7).Select(value => 32 * value * value)],
            Count = squareCount,
            Width = Math.Max((32 * squareCount) - 5, 1),
            // ε is significant in some rows.
            Units = [.. Enumerable.Range(0, size.Rows).Select(row => MathF.ScaleB(1, row % 5 * 4))],
            Table = table,
            TableVectors = vectors,
            TableStarts = [.. Enumerable.Range(0, size.Rows).Select(row => row * 5 % TableRows * vectors)],
        };
    }

    private static void Check(GemmMmaCase types, GemmShape shape, GemmMmaSize size, GemmMmaFinish finish,
        GemmMmaScales? scales = null)
    {
        float[] a = Values.Normal(size.Products * size.Rows * size.Inner, 1);
        float[] w = Values.Normal(size.Products * size.Columns * size.Inner, 2);
        float[] bias = Values.Normal(size.Products * size.Columns, 3);

        GemmMmaResult result = types.Run(shape, a, w, bias, size, finish, scales);

        double worst = 0;
        double[] squares = new double[result.Squares.Length];
        double[] squareErrors = new double[result.Squares.Length];
        for (int index = 0; index < result.C.Length; index++)
        {
            int column = index % size.Columns;
            int row = index / size.Columns;
            int product = row / size.Rows;
            double sum = 0;
            double magnitude = 0;
            for (int k = 0; k < size.Inner; k++)
            {
                double term = (double)types.Round(a[(row * size.Inner) + k])
                    * types.Round(w[(((product * size.Columns) + column) * size.Inner) + k]);
                sum += term;
                magnitude += Math.Abs(term);
            }

            (double scale, double addend) = Extra(scales, size, row, column);
            double constant = bias[(product * size.Columns) + column];
            double value = (scale * sum) + constant + addend;
            double expected = finish == GemmMmaFinish.Gelu ? Gelu(value) : value;
            double single = SingleError(size.Inner, scale * magnitude, Math.Abs(constant) + Math.Abs(addend),
                scales?.Count ?? 0, finish == GemmMmaFinish.Gelu ? Math.Abs(value) : 0);
            // The smallest values of C's type are 2⁻²⁴ apart.
            double tolerance = single + (types.OutputRoundoff * (Math.Abs(expected) + single)) + Math.ScaleB(1, -25);
            worst = Math.Max(worst, Math.Abs(result.C[index] - expected) / tolerance);
            if (finish == GemmMmaFinish.Squares)
            {
                // A lane adds eight squares, and the sums of four lanes take two more additions.
                int place = (column / 32 * size.Rows) + row;
                squares[place] += value * value;
                squareErrors[place] += (2 * Math.Abs(value) * single) + (single * single)
                    + (10 * Math.ScaleB(1, -24) * (Math.Abs(value) + single) * (Math.Abs(value) + single));
            }
        }

        for (int index = 0; index < squares.Length; index++)
            worst = Math.Max(worst, Math.Abs(result.Squares[index] - squares[index]) / squareErrors[index]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(worst, Is.InRange(0d, 1d), "the largest error relative to the allowed error");
            Assert.That(result.IsPaddingKept, "padding between rows of C");
            Assert.That(result.Noted, Is.EqualTo(GemmMmaResult.NoRow));
            Assert.That(squares, Has.Length.EqualTo(finish == GemmMmaFinish.Squares
                ? (size.Columns + 31) / 32 * size.Rows : 0));
        }
    }

    /// <summary>The scale of a row, and the table's addend to an element.</summary>
    private static (double Scale, double Addend) Extra(GemmMmaScales? scales, GemmMmaSize size, int row, int column)
    {
        if (scales is null)
            return (1, 0);
        double sum = 0;
        for (int index = 0; index < scales.Count; index++)
            sum += scales.Squares[(index * size.Rows) + row];
        return (scales.Count == 0 ? 1 : 1 / Math.Sqrt((sum / scales.Width)
            + (scales.Epsilon * scales.Units[row] * scales.Units[row])),
            column < 4 * scales.TableVectors ? scales.Table[(4 * scales.TableStarts[row]) + column] : 0);
    }

    /// <summary>The allowed error of an element before it is rounded to C's type. Each addition (of the inner
    /// dimension, the bias and the table) rounds a partial sum, which is at most the sum of the magnitudes, by u =
    /// 2⁻²⁴. Adding squares, dividing, and adding ε, the square of its rounded root, rounds count + 4 times; the root
    /// halves that error and is itself within 2⁻²². The slope of GELU is at most 1.13, and its own error is near 2⁻²²
    /// of its argument; 2⁻²⁰ is allowed.</summary>
    private static double SingleError(int inner, double product, double constants, int squareCount, double argument)
    {
        double scaled = squareCount == 0 ? 0
            : ((0.5 * (squareCount + 4) * Math.ScaleB(1, -24)) + Math.ScaleB(1, -22)) * product;
        return (1.13 * (inner + 2) * Math.ScaleB(1, -24) * (product + constants)) + scaled
            + (Math.ScaleB(1, -20) * argument);
    }

    private static double Gelu(double x) => 0.5 * x * MathNet.Numerics.SpecialFunctions.Erfc(-x / Math.Sqrt(2));
}
