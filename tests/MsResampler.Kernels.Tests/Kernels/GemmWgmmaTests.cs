using MsResampler.Kernels.Gemm;

namespace MsResampler.Kernels.Tests.Kernels;

/// <summary>Products by warpgroups, compared with loops in double precision over the rounded inputs. The emulator
/// checks fences, waits and the order of copies in every run.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class GemmWgmmaTests : TensorProductTests
{
    /// <summary>Sizes around the rows of a warp and a warpgroup, every tile and its parts, primes, long and thin, more
    /// than one band of tiles; k around a chunk and a slice, and more slices than stages.</summary>
    private static readonly GemmMmaSize[] s_sizes =
    [
        new(1, 1, 1), new(1, 129, 31), new(63, 33, 64), new(64, 32, 65), new(65, 31, 8), new(127, 61, 200),
        new(128, 256, 96), new(129, 259, 8), new(61, 3, 457), new(257, 5, 7), new(2, 515, 71), new(17, 95, 136),
        new(31, 37, 41, 3), new(1217, 67, 9),
    ];

    /// <summary>Sizes around the 32 columns whose squares are summed, and around a tile.</summary>
    private static readonly GemmMmaSize[] s_finishedSizes =
    [
        new(1, 1, 1), new(9, 33, 8), new(65, 127, 72), new(130, 288, 40), new(200, 60, 200),
    ];

    private protected override IReadOnlyList<GemmShape> Shapes => GemmShape.Wgmma;

    private protected override IReadOnlyList<GemmMmaCase> Types { get; } = [.. GemmMmaCase.OnePerElement.Take(2)];

    private protected override IReadOnlyList<GemmMmaFinish> Finishes { get; } =
        [GemmMmaFinish.Linear, GemmMmaFinish.Squares, GemmMmaFinish.Scaled];

    private static IEnumerable<TestCaseData> Cases() => CasesOf(GemmShape.Wgmma, GemmMmaCase.All.Take(4), s_sizes);

    private static IEnumerable<TestCaseData> FinishedCases()
        => CasesOf(GemmShape.Wgmma, GemmMmaCase.OnePerElement.Take(2), s_finishedSizes);

    [TestCaseSource(nameof(Cases))]
    public void Products_agree_with_loops(object types, object shape, object size)
        => GemmMmaCheck.Run((GemmMmaCase)types, (GemmShape)shape, (GemmMmaSize)size);

    [TestCaseSource(nameof(FinishedCases))]
    public void Squares_of_rows_are_summed_per_32_columns(object types, object shape, object size)
        => GemmMmaCheck.Run((GemmMmaCase)types, (GemmShape)shape, (GemmMmaSize)size, GemmMmaFinish.Squares);

    [TestCaseSource(nameof(FinishedCases))]
    public void Rows_are_scaled_and_table_rows_are_added(object types, object shape, object size)
        => GemmMmaCheck.Run((GemmMmaCase)types, (GemmShape)shape, (GemmMmaSize)size, GemmMmaFinish.Scaled,
            GemmMmaCheck.ScalesFor((GemmMmaSize)size, 3));

    private static IEnumerable<TestCaseData> Shaped() => GemmShape.Wgmma.Select(shape
        => new TestCaseData(shape).SetArgDisplayNames(shape.Tile.Name));

    /// <summary>A tile of one slice, of fewer slices than stages, and of more: the copies of a block run ahead by
    /// several tiles, by one, and by a part of one. There are more slices than stages.</summary>
    [TestCaseSource(nameof(Shaped))]
    public void Blocks_compute_any_number_of_tiles_with_the_same_bits(object shape)
    {
        var tile = (GemmShape)shape;
        using (Assert.EnterMultipleScope())
        {
            foreach ((GemmMmaFinish finish, int rowTiles, int inner) in new[]
            {
                (GemmMmaFinish.Linear, 3, 40), (GemmMmaFinish.Squares, 3, 40), (GemmMmaFinish.Scaled, 3, 40),
                (GemmMmaFinish.Scaled, 1, 152), (GemmMmaFinish.Linear, 1, 64 * 7),
            })
            {
                var size = new GemmMmaSize((rowTiles * tile.Rows) + 1, tile.Columns + 4, inner);
                GemmMmaScales? scales = finish == GemmMmaFinish.Scaled ? GemmMmaCheck.ScalesFor(size, 2) : null;
                GemmMmaResult one = GemmMmaCheck.Run(GemmMmaCase.HalfToHalf, tile, size, finish, scales,
                    new() { BlockCount = 1 });
                (float[] a, float[] w, float[] bias) = GemmMmaCheck.OperandsFor(size);
                foreach (int blocks in new[] { 2, 3, 2 * (rowTiles + 1) })
                {
                    GemmMmaResult other = GemmMmaCase.HalfToHalf.Run(tile, a, w, bias, size, finish, scales,
                        new() { BlockCount = blocks, Seed = (ulong)blocks });
                    string name = $"{finish}, {inner} deep, {blocks} blocks";
                    GemmMmaCheck.AssertSameBits(other.C, one.C, name);
                    GemmMmaCheck.AssertSameBits(other.Squares, one.Squares, name);
                    Assert.That(other.IsPaddingKept, name);
                }
            }
        }
    }

    /// <summary>Also of tiles that a block computes later.</summary>
    [TestCaseSource(nameof(Shaped))]
    public void Several_products_may_be_computed_by_one_block(object shape)
    {
        var tile = (GemmShape)shape;
        foreach (GemmMmaLayout layout in new[] { GemmMmaLayout.Consecutive,
            GemmMmaLayout.BesideA | GemmMmaLayout.BesideC, GemmMmaLayout.BesideA | GemmMmaLayout.BesideW,
            GemmMmaLayout.SharedW })
        {
            GemmMmaCheck.Run(GemmMmaCase.HalfToSingle, tile, new GemmMmaSize(tile.Rows + 3, tile.Columns + 1, 72, 3),
                run: new() { BlockCount = 2, Layout = layout });
        }
    }

    /// <summary>The note of a block's later tiles does not replace that of its first ones.</summary>
    [TestCaseSource(nameof(Shaped))]
    public void The_lowest_row_is_noted_by_any_number_of_blocks(object shape)
    {
        var tile = (GemmShape)shape;
        var size = new GemmMmaSize((2 * tile.Rows) + 9, tile.Columns + 1, 8);
        float[] a = new float[size.Rows * size.Inner];
        float[] w = [.. Enumerable.Repeat(1f, size.Columns * size.Inner)];
        foreach (int row in new[] { tile.Rows - 1, tile.Rows, size.Rows - 1 })
            a[row * size.Inner] = 70000;
        foreach (int blocks in new[] { 1, 2, 3 })
        {
            GemmMmaResult result = GemmMmaCase.HalfToHalf.Run(tile, a, w, new float[size.Columns], size,
                run: new() { BlockCount = blocks, FirstNoted = 5 });
            Assert.That(result.Noted, Is.EqualTo(5 + tile.Rows - 1), $"{blocks} blocks");
            Assert.That(result.C.Count(float.IsNaN), Is.EqualTo(3 * size.Columns), $"{blocks} blocks");
        }
    }

    [TestCaseSource(nameof(Shaped))]
    public void Truncated_sums_stay_within_their_bound(object shape)
    {
        var tile = (GemmShape)shape;
        var size = new GemmMmaSize(65, 61, 200);
        foreach (GemmMmaFinish finish in Finishes)
        {
            GemmMmaCheck.Run(GemmMmaCase.HalfToSingle, tile, size, finish,
                finish == GemmMmaFinish.Scaled ? GemmMmaCheck.ScalesFor(size, 3) : null,
                new() { Arithmetic = EmulatorDevice.GpuArithmetic });
        }
    }

    /// <summary>Two warpgroups take turns in many ways.</summary>
    [TestCaseSource(nameof(Shaped))]
    public void The_order_of_warps_and_the_threads_of_the_emulator_change_nothing(object shape)
    {
        var tile = (GemmShape)shape;
        var size = new GemmMmaSize(tile.Rows + 1, tile.Columns, 64 * 9);
        (float[] a, float[] w, float[] bias) = GemmMmaCheck.OperandsFor(size);
        GemmMmaScales scales = GemmMmaCheck.ScalesFor(size, 3);
        GemmMmaResult expected = Run(0, 1);
        for (ulong seed = 1; seed < 5; seed++)
        {
            GemmMmaResult found = Run(seed, seed % 2 == 0 ? 1 : 3);
            GemmMmaCheck.AssertSameBits(found.C, expected.C, $"seed {seed}");
            Assert.That(found.Report.Instructions, Is.EqualTo(expected.Report.Instructions), $"seed {seed}");
            Assert.That(found.Report with
            {
                Instructions = expected.Report.Instructions,
                SharedBankConflicts = expected.Report.SharedBankConflicts,
            }, Is.EqualTo(expected.Report), $"seed {seed}");
        }

        GemmMmaResult Run(ulong seed, int workers) => GemmMmaCase.HalfToHalf.Run(tile, a, w, bias, size,
            GemmMmaFinish.Scaled, scales,
            new() { Seed = seed, BlockCount = 1, Arithmetic = new() { Workers = workers } });
    }
}
