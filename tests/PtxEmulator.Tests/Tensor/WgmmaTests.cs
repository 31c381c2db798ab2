namespace PtxEmulator.Tests;

/// <summary>PTX ISA 9.7.15.5: wgmma.mma_async with float16 and bfloat16 elements and float32 accumulators.</summary>
internal sealed class WgmmaTests
{
    private const int RowCount = WgmmaCase.RowCount;
    private const int Depth = WgmmaCase.Depth;

    private static IEnumerable<int> EveryColumnCount() => Enumerable.Range(1, 32).Select(count => 8 * count);

    /// <summary>The two tables agree, and the one for sixteen columns with its continuation.</summary>
    [Test]
    public void Eight_more_columns_are_four_more_elements()
    {
        for (int row = 0; row < RowCount; row++)
            for (int column = 0; column < 16; column++)
                Assert.That(WgmmaFragment.Of(row, column), Is.EqualTo(WgmmaFragment.OfSixteen(row, column)));
    }

    [TestCaseSource(nameof(EveryColumnCount))]
    public void Every_number_of_columns_has_the_exact_product(int columns)
    {
        foreach (bool isBFloat in new[] { false, true })
        {
            AssertExact(new()
            {
                Columns = columns,
                IsBFloat = isBFloat,
                LayoutA = LayoutA(1, false),
                LayoutB = LayoutB(1, false),
            });
        }
    }

    [Test]
    public void Every_layout_has_the_exact_product([Values(0, 1, 2, 3)] int modeA, [Values] bool isTransposedA,
        [Values(0, 1, 2, 3)] int modeB, [Values] bool isTransposedB)
    {
        foreach (int columns in new[] { 8, 24, 136 })
        {
            AssertExact(new()
            {
                Columns = columns,
                LayoutA = LayoutA(modeA, isTransposedA),
                LayoutB = LayoutB(modeB, isTransposedB),
            });
        }
    }

    [Test]
    public void A_may_be_in_registers([Values] bool isBFloat, [Values] bool isTransposedB) => AssertExact(new()
    {
        Columns = 40,
        IsBFloat = isBFloat,
        LayoutB = LayoutB(1, isTransposedB),
    });

    [Test]
    public void Two_warpgroups_multiply_their_own_matrices([Values] bool isInRegisters) => AssertExact(new()
    {
        Columns = 24,
        LayoutA = isInRegisters ? null : LayoutA(1, false),
        LayoutB = LayoutB(1, false),
        SecondAt = 0x18000,
    });

    [TestCase("0", false), TestCase("1", true), TestCase("%yes", true), TestCase("%no", false),
        TestCase("!%yes", false), TestCase("!%no", true)]
    public void A_false_scale_of_D_drops_the_accumulator(string scale, bool accumulates) => AssertExact(new()
    {
        Columns = 16,
        LayoutA = LayoutA(1, false),
        LayoutB = LayoutB(1, false),
        ScaleD = scale,
    }, accumulates);

    [Test]
    public void A_negative_scale_negates_a_factor([Values(1, -1)] int scaleA, [Values(1, -1)] int scaleB,
        [Values] bool isInRegisters) => AssertExact(new()
        {
            Columns = 16,
            LayoutA = isInRegisters ? null : LayoutA(1, true),
            LayoutB = LayoutB(1, true),
            ScaleA = scaleA,
            ScaleB = scaleB,
        });

    [Test]
    public void Products_accumulate_in_the_same_registers() => AssertExact(new()
    {
        Columns = 64,
        LayoutA = LayoutA(1, false),
        LayoutB = LayoutB(1, false),
        Times = 3,
    });

    private static WgmmaLayout LayoutA(int mode, bool isTransposed) => Layout(mode, isTransposed, 0);

    private static WgmmaLayout LayoutB(int mode, bool isTransposed) => Layout(mode, isTransposed, 0xA000);

    /// <summary>A layout with room between its parts.</summary>
    private static WgmmaLayout Layout(int mode, bool isTransposed, int start) => (mode, isTransposed) switch
    {
        (0, false) => new(0, false, start + 48, 16 * 160 * 2, 160),
        (0, true) => new(0, true, start + 80, 160, 160 * 2),
        (1, false) => new(1, false, start, 16, 1024),
        (2, false) => new(2, false, start, 16, 1024 + 512),
        (3, false) => new(3, false, start, 16, 256),
        (_, true) when mode == 1 => new(1, true, start, 4096, 2048),
        (_, true) when mode == 2 => new(2, true, start, 1024, 512),
        _ => new(3, true, start, 1024, 512),
    };

    private static void AssertExact(WgmmaCase product, bool accumulates = true)
    {
        Random random = new(product.Columns);
        int groups = product.SecondAt == 0 ? 1 : 2;
        float[][,] a = [.. Each(() => Filled(RowCount, Depth, () => random.Next(-9, 10)))];
        float[][,] b = [.. Each(() => Filled(Depth, product.Columns, () => random.Next(-9, 10)))];
        float[][,] c = [.. Each(() => Filled(RowCount, product.Columns, () => random.Next(-999, 1000)))];

        float[][,] d = product.Multiply(a, b, c);

        for (int group = 0; group < groups; group++)
        {
            for (int row = 0; row < RowCount; row++)
            {
                for (int column = 0; column < product.Columns; column++)
                {
                    float sum = 0;
                    for (int k = 0; k < Depth; k++)
                        sum += a[group][row, k] * b[group][k, column] * product.ScaleA * product.ScaleB;
                    float expected = (sum * product.Times) + (accumulates ? c[group][row, column] : 0);
                    Assert.That(d[group][row, column], Is.EqualTo(expected), $"group {group}, ({row}, {column})");
                }
            }
        }

        IEnumerable<float[,]> Each(Func<float[,]> create) => Enumerable.Range(0, groups).Select(_ => create());
    }

    private static float[,] Filled(int rowCount, int columnCount, Func<float> value)
    {
        float[,] matrix = new float[rowCount, columnCount];
        for (int row = 0; row < rowCount; row++)
            for (int column = 0; column < columnCount; column++)
                matrix[row, column] = value();
        return matrix;
    }
}
