using MsResampler.Kernels.Gemm;

namespace MsResampler.Kernels.Tests.Kernels;

/// <summary>What products on tensor cores promise with every instruction and in every shape of the tile.</summary>
public abstract class TensorProductTests
{
    /// <summary>The shapes of the instruction.</summary>
    private protected abstract IReadOnlyList<GemmShape> Shapes { get; }

    /// <summary>One case for each type of A and W.</summary>
    private protected abstract IReadOnlyList<GemmMmaCase> Types { get; }

    /// <summary>The epilogues.</summary>
    private protected abstract IReadOnlyList<GemmMmaFinish> Finishes { get; }

    private protected static IEnumerable<TestCaseData> CasesOf(IReadOnlyList<GemmShape> shapes,
        IEnumerable<GemmMmaCase> cases, GemmMmaSize[] sizes) =>
        from types in cases
        from shape in shapes
        from size in sizes
        select new TestCaseData(types, shape, size).SetArgDisplayNames(types.ToString(), shape.Tile.Name,
            $"{size.Products} of {size.Rows} rows", $"{size.Columns} columns", $"{size.Inner} deep");

    [TestCase(0, 0)]
    [TestCase(0, 7)]
    [TestCase(1, 0)]
    [TestCase(16, 1)]
    [TestCase(17, 16)]
    [TestCase(33, 15)]
    public void Squares_are_optional_and_the_table_may_have_fewer_columns(int squareCount, int tableVectors)
    {
        var size = new GemmMmaSize(67, 61, 40);
        foreach (GemmShape shape in Shapes)
        {
            GemmMmaCheck.Run(GemmMmaCase.HalfToSingle, shape, size, GemmMmaFinish.Scaled,
                GemmMmaCheck.ScalesFor(size, squareCount, tableVectors));
        }
    }

    [Test]
    public void An_element_has_the_same_bits_in_any_tile_batch_and_warp_order([Values] bool isGpuArithmetic)
    {
        var size = new GemmMmaSize(131, 70, 83);
        (float[] a, float[] w, float[] bias) = GemmMmaCheck.OperandsFor(size);
        GemmMmaScales scales = GemmMmaCheck.ScalesFor(size, 5);
        GemmMmaRun run = new() { Arithmetic = isGpuArithmetic ? EmulatorDevice.GpuArithmetic : new() };
        using (Assert.EnterMultipleScope())
        {
            foreach (GemmMmaCase types in Types)
            {
                // The arithmetic differs in sums and in the roots of scales.
                foreach (GemmMmaFinish finish in isGpuArithmetic
                    ? [GemmMmaFinish.Linear, GemmMmaFinish.Scaled] : Finishes)
                {
                    string name = $"{types}, {finish}";
                    GemmMmaResult expected = types.Run(Shapes[0], a, w, bias, size, finish, scales, run);
                    foreach (GemmShape shape in Shapes)
                    {
                        GemmMmaResult result = types.Run(shape, a, w, bias, size, finish, scales,
                            run with { Seed = 7 });
                        GemmMmaCheck.AssertSameBits(result.C, expected.C, $"{name}, {shape.Tile.Name}");
                        GemmMmaCheck.AssertSameBits(result.Squares, expected.Squares, $"{name}, {shape.Tile.Name}");
                    }

                    foreach (int first in new[] { 17, size.Rows - 1 })
                    {
                        GemmMmaResult rest = types.Run(Shapes[^1], a[(first * size.Inner)..], w, bias,
                            size with { Rows = size.Rows - first }, finish, scales.From(first), run);
                        GemmMmaCheck.AssertSameBits(rest.C, expected.C[(first * size.Columns)..],
                            $"{name}, from row {first}");
                        GemmMmaCheck.AssertSameBits(rest.Squares, [.. expected.Squares.Where((_, index)
                            => index % size.Rows >= first)], $"{name}, from row {first}");
                    }
                }
            }
        }
    }

    /// <summary>The products of a launch lie beside each other or share W, as those of scopes do.</summary>
    [TestCase(GemmMmaLayout.Consecutive)]
    [TestCase(GemmMmaLayout.BesideA | GemmMmaLayout.BesideC, Description = "the outputs of the scopes")]
    [TestCase(GemmMmaLayout.BesideA | GemmMmaLayout.BesideW, Description = "the first layer of the gate")]
    [TestCase(GemmMmaLayout.SharedW)]
    public void Each_of_several_products_has_the_bits_that_it_has_alone(GemmMmaLayout layout)
    {
        var size = new GemmMmaSize(71, 37, 75, Products: 3);
        GemmMmaSize one = size with { Products = 1 };
        (float[] a, float[] w, float[] bias) = GemmMmaCheck.OperandsFor(size, layout);
        using (Assert.EnterMultipleScope())
        {
            foreach (GemmMmaCase types in Types)
            {
                foreach (GemmShape shape in Shapes)
                {
                    GemmMmaResult all = GemmMmaCheck.Run(types, shape, size, run: new() { Layout = layout });
                    for (int product = 0; product < size.Products; product++)
                    {
                        GemmMmaResult alone = types.Run(shape, Part(a, product), Part(w, product), Part(bias, product),
                            one);
                        GemmMmaCheck.AssertSameBits(Part(all.C, product), alone.C,
                            $"{types}, {shape.Tile.Name}, product {product}");
                    }
                }
            }
        }

        float[] Part(float[] values, int product)
            => values.AsSpan(product * values.Length / size.Products, values.Length / size.Products).ToArray();
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
    [TestCase(3, float.MinValue, false)]
    [TestCase(3, float.NegativeInfinity, true)]
    public void A_value_beyond_the_type_becomes_NaN_and_its_row_is_noted(int types, float bias, bool isOutside)
    {
        using (Assert.EnterMultipleScope())
        {
            foreach (GemmShape shape in Shapes)
                CheckLimit(GemmMmaCase.All[types], shape, bias, isOutside);
        }
    }

    [Test]
    public void The_lowest_row_is_noted_for_any_order_of_blocks([Values(0, 7, 8, 31, 63, 64, 130, 256)] int lowest)
    {
        var size = new GemmMmaSize(257, 65, 8);
        float[] a = new float[size.Rows * size.Inner];
        float[] w = [.. Enumerable.Repeat(1f, size.Columns * size.Inner)];
        foreach (int row in new[] { lowest, 200, 256 }.Where(row => row >= lowest))
            a[(row * size.Inner) + 3] = float.NaN;
        using (Assert.EnterMultipleScope())
        {
            foreach (GemmShape shape in Shapes)
            {
                for (ulong seed = 1; seed < 4; seed++)
                {
                    Assert.That(GemmMmaCase.HalfToSingle.Run(shape, a, w, new float[size.Columns], size,
                        run: new() { Seed = seed, FirstNoted = 1000 }).Noted, Is.EqualTo(1000 + lowest),
                        shape.Tile.Name);
                }

                Assert.That(() => GemmMmaCase.HalfToSingle.Run(shape, a, w, new float[size.Columns], size,
                    run: new() { FirstNoted = -1 }), Throws.Nothing, $"{shape.Tile.Name} without a note");
            }
        }
    }

    [Test]
    public void A_limit_applies_to_magnitudes_after_the_epilogue()
    {
        var size = new GemmMmaSize(1, 4, 1);
        using (Assert.EnterMultipleScope())
        {
            foreach (GemmMmaCase types in Types)
            {
                foreach (GemmShape shape in Shapes)
                {
                    float[] values = types.Run(shape, [0], new float[4], [1.9f, -1.9f, 2, -2], size,
                        run: new() { Limit = 2 }).C;
                    Assert.That(values.Select(float.IsNaN), Is.EqualTo(new[] { false, false, true, true }),
                        $"{types}, {shape.Tile.Name}");
                }
            }
        }
    }

    [Test]
    public void A_sum_beyond_float16_is_reported()
    {
        var size = new GemmMmaSize(1, 1, 2);
        float[] values = [256, 256];
        foreach (GemmShape shape in Shapes)
        {
            Assert.That(GemmMmaCase.HalfToHalf.Run(shape, values, values, [0], size).Noted, Is.Zero, shape.Tile.Name);
            Assert.That(GemmMmaCase.HalfToHalf.Run(shape, values, values, [-98304], size).Noted,
                Is.EqualTo(GemmMmaResult.NoRow), shape.Tile.Name);
        }
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
        foreach (GemmShape shape in Shapes)
        {
            Assert.That(GemmMmaCase.HalfToHalf.Run(shape, values, w, [0], size, GemmMmaFinish.Scaled, scales).Noted,
                Is.EqualTo(isOutside ? 0 : GemmMmaResult.NoRow), shape.Tile.Name);
        }
    }

    /// <summary>An infinity makes its row NaN, also where it is multiplied by 0, and no other row.</summary>
    [TestCase(float.PositiveInfinity)]
    [TestCase(float.NegativeInfinity)]
    [TestCase(float.NaN)]
    public void A_row_of_A_that_is_not_finite_becomes_NaN_and_no_other(float value)
    {
        // The row is the last of one warp's, and its slice not the first.
        var size = new GemmMmaSize(70, 34, 72);
        const int Row = 47;
        (float[] a, float[] w, float[] bias) = GemmMmaCheck.OperandsFor(size);
        float[] large = [.. a];
        large[(Row * size.Inner) + 70] = value;
        w[(5 * size.Inner) + 70] = 0;
        using (Assert.EnterMultipleScope())
        {
            foreach (GemmMmaCase types in Types)
            {
                foreach (GemmShape shape in Shapes)
                {
                    GemmMmaResult expected = types.Run(shape, a, w, bias, size);
                    GemmMmaResult found = types.Run(shape, large, w, bias, size);
                    Assert.That(found.C.Where((_, index) => index / size.Columns == Row), Has.All.NaN,
                        $"{types}, {shape.Tile.Name}");
                    GemmMmaCheck.AssertSameBits([.. found.C.Where((_, index) => index / size.Columns != Row)],
                        [.. expected.C.Where((_, index) => index / size.Columns != Row)],
                        $"{types}, {shape.Tile.Name}");
                    Assert.That((expected.Noted, found.Noted), Is.EqualTo((GemmMmaResult.NoRow, Row)),
                        $"{types}, {shape.Tile.Name}");
                }
            }
        }
    }

    [Test]
    public void A_zero_with_a_sign_is_a_zero_and_a_small_value_keeps_its_sign()
    {
        var size = new GemmMmaSize(2, 2, 3);
        float[] zeros = [.. Enumerable.Repeat(-0f, 6)];
        float[] ones = [.. Enumerable.Repeat(1f, 6)];
        using (Assert.EnterMultipleScope())
        {
            foreach (GemmMmaCase types in Types)
            {
                foreach (GemmShape shape in Shapes)
                {
                    GemmMmaResult zero = types.Run(shape, zeros, ones, [-0f, 0], size,
                        run: new() { Limit = float.Epsilon });
                    Assert.That(zero.C, Has.All.Zero, $"{types}, {shape.Tile.Name}");
                    Assert.That(zero.Noted, Is.EqualTo(GemmMmaResult.NoRow), $"{types}, {shape.Tile.Name}");
                    // Half the smallest float16 rounds to a zero.
                    float small = MathF.ScaleB(1, -25);
                    float[] signs = types.Run(shape, zeros, ones, [-small, small], size).C;
                    Assert.That(signs.Select(float.IsNegative), Is.EqualTo(new[] { true, false, true, false }),
                        $"{types}, {shape.Tile.Name}");
                }
            }
        }
    }

    /// <summary>Checks the last element of a second tile; all others are zero.</summary>
    private protected static void CheckLimit(GemmMmaCase types, GemmShape shape, float bias, bool isOutside)
    {
        var size = new GemmMmaSize(shape.Rows + 1, shape.Columns + 1, 8);
        float[] biases = new float[size.Columns];
        biases[^1] = bias;

        GemmMmaResult result = types.Run(shape, new float[size.Rows * size.Inner], new float[size.Columns * size.Inner],
            biases, size, run: new() { FirstNoted = 7 });

        Assert.That(result.Noted, Is.EqualTo(isOutside ? 7 : GemmMmaResult.NoRow), shape.Tile.Name);
        Assert.That(float.IsNaN(result.C[^1]), Is.EqualTo(isOutside), shape.Tile.Name);
        Assert.That(result.C[..^1].Where((value, index) => value != 0 && index % size.Columns < shape.Columns),
            Is.Empty, shape.Tile.Name);
    }
}
