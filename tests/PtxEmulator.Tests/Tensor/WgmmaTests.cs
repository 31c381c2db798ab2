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

    /// <summary>The rows of 16 bytes of the swizzling patterns, as the figures of the ISA show them.</summary>
    [TestCase(1, false, "0 144 288 432 576 720 864 1008", "16 128 304 416 592 704 880 992"),
        TestCase(2, false, "0 64 144 208 288 352 432 496", "16 80 128 192 304 368 416 480"),
        TestCase(3, false, "0 32 64 96 144 176 208 240", "16 48 80 112 128 160 192 224"),
        TestCase(0, false, "0 16 32 48 64 80 96 112", "128 144 160 176 192 208 224 240"),
        TestCase(1, true, "0 16 32 48 64 80 96 112", "144 128 176 160 208 192 240 224"),
        TestCase(2, true, "0 16 32 48 2048 2064 2080 2096", "64 80 96 112 2112 2128 2144 2160"),
        TestCase(3, true, "0 16 2048 2064 4096 4112 6144 6160", "32 48 2080 2096 4128 4144 6176 6192")]
    public void The_layouts_of_the_tests_are_those_of_the_figures(int mode, bool isTransposed, string first,
        string second)
    {
        // K-major: eight rows, at k = 0 and 8. MN-major: the starts of eight groups of eight, at k = 0 and 1.
        WgmmaLayout layout = new(mode, isTransposed, 0, mode == 0 ? 128 : 2048, 1024);

        Assert.That(Addresses(0), Is.EqualTo(first));
        Assert.That(Addresses(1), Is.EqualTo(second));

        string Addresses(int index) => string.Join(' ', Enumerable.Range(0, 8).Select(row => isTransposed
            ? layout.AddressOf(8 * row, index) : layout.AddressOf(row, 8 * index)));
    }

    /// <summary>The examples of canonical layouts in the ISA, with the encodings of both offsets that it
    /// states, and the 128-byte swizzle.</summary>
    [TestCase(0, true, 256, 128, 16, 0x0000_0008_0010_0000ul), TestCase(3, true, 256, 512, 32, 0xC000_0020_0010_0000ul),
        TestCase(2, true, 512, 1024, 64, 0x8000_0040_0020_0000ul),
        TestCase(0, false, 256, 128, 16, 0x0000_0008_0010_0000ul),
        TestCase(3, false, 16, 256, 16, 0xC000_0010_0001_0000ul),
        TestCase(2, false, 16, 512, 16, 0x8000_0020_0001_0000ul),
        TestCase(1, false, 16, 1024, 256, 0x4000_0040_0001_0000ul),
        TestCase(1, true, 4096, 1024, 128, 0x4000_0040_0100_0000ul)]
    public void Descriptors_have_the_bits_of_the_ISA(int mode, bool isTransposed, int leading, int stride, int columns,
        ulong bits)
    {
        WgmmaLayout layout = new(mode, isTransposed, 0x4000, leading, stride);

        Assert.That(layout.Descriptor, Is.EqualTo(bits | (0x4000 >> 4)));
        AssertExact(new() { Columns = columns, IsBFloat = true, LayoutA = LayoutA(1, false), LayoutB = layout });
    }

    /// <summary>Along a row of the 128-byte swizzle k advances by adding its bytes to the start.</summary>
    [Test]
    public void A_start_within_a_row_advances_along_k([Values(0, 32, 64, 96)] int offset) => AssertExact(new()
    {
        Columns = 16,
        LayoutA = LayoutA(1, false) with { Start = offset },
        LayoutB = LayoutB(1, false) with { Start = 0xA000 + offset },
    });

    /// <summary>The base offset tells where a pattern begins that is not aligned to its size.</summary>
    [TestCase(1, false, 128), TestCase(1, false, 896), TestCase(2, false, 384), TestCase(3, false, 128),
        TestCase(1, true, 256), TestCase(2, true, 128), TestCase(3, true, 128)]
    public void A_base_offset_moves_the_pattern(int mode, bool isTransposed, int shift) => AssertExact(new()
    {
        Columns = 72,
        LayoutA = LayoutA(mode, isTransposed) with { Shift = shift },
        LayoutB = LayoutB(mode, isTransposed) with { Shift = shift },
    });

    [Test]
    public void Infinities_and_NaN_stay_in_their_row_and_column([Values] bool isBFloat, [Values] bool isInRegisters,
        [Values] bool truncates)
    {
        WgmmaCase product = Plain(isBFloat, isInRegisters, truncates);
        float[,] a = Filled(RowCount, Depth, () => 1);
        float[,] b = Filled(Depth, product.Columns, () => 1);
        float[,] c = new float[RowCount, product.Columns];
        a[2, 1] = float.PositiveInfinity;
        a[37, 3] = float.NaN;
        b[1, 6] = 0;
        b[4, 7] = float.NegativeInfinity;
        c[50, 3] = float.PositiveInfinity;

        float[,] d = product.Multiply([a], [b], [c])[0];

        for (int row = 0; row < RowCount; row++)
            for (int column = 0; column < product.Columns; column++)
                Assert.That(d[row, column], Is.EqualTo((float)Exact(a, b, c, row, column)), $"({row}, {column})");
    }

    /// <summary>Denormal numbers are exact, and a sum of negative zeros is a negative zero.</summary>
    [Test]
    public void Denormals_and_negative_zeros_are_kept([Values] bool isBFloat, [Values] bool isInRegisters)
    {
        WgmmaCase product = Plain(isBFloat, isInRegisters, truncates: false);
        float smallest = isBFloat ? MathF.ScaleB(1, -133) : MathF.ScaleB(1, -24);
        float[,] a = new float[RowCount, Depth];
        float[,] b = Filled(Depth, product.Columns, () => 1);
        float[,] c = Filled(RowCount, product.Columns, () => -0f);
        for (int row = 0; row < RowCount; row++)
        {
            for (int k = 0; k < Depth; k++)
                a[row, k] = row == 9 ? -0f : row == 0 ? 0 : row * smallest;
        }

        float[,] d = product.Multiply([a], [b], [c])[0];

        for (int row = 0; row < RowCount; row++)
        {
            float expected = row == 9 ? -0f : row * smallest * Depth;
            for (int column = 0; column < product.Columns; column++)
            {
                Assert.That(BitConverter.SingleToInt32Bits(d[row, column]),
                    Is.EqualTo(BitConverter.SingleToInt32Bits(expected)), $"({row}, {column})");
            }
        }
    }

    /// <remarks>The bound is that of <see cref="MmaTests"/>: depth + 1 numbers are added, and each addition errs by at
    /// most 2⁻²³ of the sum of the magnitudes so far. Of the 16 products and the sum that truncation adds at once, each
    /// loses less than 2⁻²⁴ of the largest, and the result less than 2⁻²³ of it.</remarks>
    [Test]
    public void Fractions_have_the_product_within_float32_rounding([Values] bool isBFloat, [Values] bool isInRegisters,
        [Values] bool truncates, [Values(1, 2)] int seed)
    {
        Random random = new(seed);
        WgmmaCase product = Plain(isBFloat, isInRegisters, truncates);
        float[,] a = Filled(RowCount, Depth, () => product.Rounded((random.NextSingle() * 4) - 2));
        float[,] b = Filled(Depth, product.Columns, () => product.Rounded((random.NextSingle() * 4) - 2));
        float[,] c = Filled(RowCount, product.Columns, () => random.NextSingle() - 0.5f);

        float[,] d = product.Multiply([a], [b], [c])[0];

        for (int row = 0; row < RowCount; row++)
        {
            for (int column = 0; column < product.Columns; column++)
            {
                double magnitude = Math.Abs(c[row, column]);
                for (int k = 0; k < Depth; k++)
                    magnitude += Math.Abs((double)a[row, k] * b[k, column]);
                Assert.That((double)d[row, column],
                    Is.EqualTo(Exact(a, b, c, row, column)).Within((Depth + 1) * magnitude * Math.ScaleB(1, -23)),
                    $"({row}, {column})");
            }
        }
    }

    /// <summary>Each rounded to nearest, two products of half a unit in the last place of 1 leave it; sixteen added at
    /// once with one more bit add a unit; in two groups of eight they add none.</summary>
    [Test]
    public void Truncated_sums_have_sixteen_products_at_once([Values] bool isBFloat, [Values] bool truncates,
        [Values(1, -1)] int sign)
    {
        WgmmaCase product = Plain(isBFloat, isInRegisters: false, truncates);
        float[,] a = Filled(RowCount, Depth, () => 0);
        float[,] b = Filled(Depth, product.Columns, () => sign * MathF.ScaleB(1, -12));
        float[,] c = Filled(RowCount, product.Columns, () => sign);
        for (int row = 0; row < RowCount; row++)
            (a[row, 1], a[row, 14]) = (MathF.ScaleB(1, -12), MathF.ScaleB(1, -12));

        float[,] d = product.Multiply([a], [b], [c])[0];

        Assert.That(d, Is.All.EqualTo(sign * (truncates ? 1 + MathF.ScaleB(1, -23) : 1)));
    }

    [Test]
    public void Truncated_sums_are_exact_for_integers([Values] bool isInRegisters)
        => AssertExact(Plain(isBFloat: true, isInRegisters, truncates: true));

    [Test]
    public void Work_is_counted_once_per_warpgroup([Values] bool isInRegisters)
    {
        WgmmaCase product = new()
        {
            Columns = 24,
            LayoutA = isInRegisters ? null : LayoutA(1, false),
            LayoutB = LayoutB(1, false),
            SecondAt = 0x18000,
            Times = 3,
        };
        float[][,] a = [new float[RowCount, Depth], new float[RowCount, Depth]];
        float[][,] b = [new float[Depth, 24], new float[Depth, 24]];
        float[][,] c = [new float[RowCount, 24], new float[RowCount, 24]];

        product.Multiply(a, b, c, out LaunchReport report);

        Assert.That(report.WarpgroupInstructions, Is.EqualTo(2 * 3));
        Assert.That(report.Count("wgmma.mma_async"), Is.EqualTo(2 * 3 * 4));
        Assert.That(report.Instructions["wgmma.mma_async.sync.aligned.m64n24k16.f32.f16.f16"], Is.EqualTo(2 * 3 * 4));
        Assert.That(report.MatrixInstructions, Is.Zero);
        Assert.That(report.Flops, Is.EqualTo(2L * 3 * 2 * 64 * 24 * 16));
        Assert.That(report.WarpgroupSharedBytes, Is.EqualTo(2 * 3 * ((isInRegisters ? 0 : 64 * 32) + (24 * 32))));
        Assert.That(report.SharedBankConflicts.Where(conflict => conflict.Instruction.StartsWith("wgmma",
            StringComparison.Ordinal)), Is.Empty);
    }

    private static WgmmaCase Plain(bool isBFloat, bool isInRegisters, bool truncates) => new()
    {
        Columns = 16,
        IsBFloat = isBFloat,
        LayoutA = isInRegisters ? null : LayoutA(1, false),
        LayoutB = LayoutB(1, false),
        Options = new() { TruncatesMatrixSums = truncates },
    };

    private static double Exact(float[,] a, float[,] b, float[,] c, int row, int column)
    {
        double sum = c[row, column];
        for (int k = 0; k < Depth; k++)
            sum += (double)a[row, k] * b[k, column];
        return sum;
    }

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
