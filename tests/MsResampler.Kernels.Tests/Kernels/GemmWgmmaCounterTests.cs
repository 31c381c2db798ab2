using System.Globalization;
using MsResampler.Kernels.Gemm;
using PtxEmulator;

namespace MsResampler.Kernels.Tests.Kernels;

/// <summary>What products by warpgroups execute, read and write, as emulated.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class GemmWgmmaCounterTests
{
    private static readonly GemmMmaRun s_aligned = new() { IsAligned = true };

    /// <summary>The text of both types is the same.</summary>
    private static IEnumerable<TestCaseData> Counted() =>
        from shape in GemmShape.Wgmma
        from kernel in new[]
        {
            (Types: GemmMmaCase.HalfToHalf, Finish: GemmMmaFinish.Linear),
            (Types: GemmMmaCase.HalfToSingle, Finish: GemmMmaFinish.Linear),
            (Types: GemmMmaCase.HalfToHalf, Finish: GemmMmaFinish.Squares),
            (Types: GemmMmaCase.HalfToHalf, Finish: GemmMmaFinish.Scaled),
        }
        select new TestCaseData(kernel.Types, shape, kernel.Finish).SetArgDisplayNames(kernel.Types.ToString(),
            shape.Tile.Name, kernel.Finish.ToString());

    private static IEnumerable<TestCaseData> Shapes() => GemmShape.Wgmma.Select(shape
        => new TestCaseData(shape).SetArgDisplayNames(shape.Tile.Name));

    [TestCaseSource(nameof(Counted))]
    public void Whole_tiles_are_multiplied_once_and_use_sectors_fully(object types, object shape, GemmMmaFinish finish)
    {
        const int Slices = 3;
        var tile = (GemmShape)shape;
        var size = new GemmMmaSize(2 * tile.Rows, 2 * tile.Columns, Slices * 64);
        LaunchReport report = GemmMmaCheck.Count((GemmMmaCase)types, tile, size, finish, s_aligned);

        // A row of a slice is 128 bytes.
        const long Tiles = 4;
        long rows = Tiles * Slices * (tile.Rows + tile.Columns);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(report.SharedBankConflicts, Is.Empty);
            Assert.That(report.GlobalSectors, Is.LessThanOrEqualTo(1.05 * report.IdealSectors));
            Assert.That(report.GlobalStoreSectors, Is.EqualTo(report.IdealStoreSectors));
            Assert.That(report.WarpgroupInstructions, Is.EqualTo(Tiles * Slices * 4 * tile.PartCount));
            Assert.That(report.MatrixInstructions, Is.Zero);
            Assert.That(report.AsyncCopyBytes, Is.EqualTo(128 * rows));
            // What the estimate of the time assumes about shared memory.
            Assert.That(report.AsyncCopyBytes + report.WarpgroupSharedBytes,
                Is.EqualTo(128 * Tiles * Slices * GemmCost.SharedCycles(tile)));
            Assert.That(report.Barriers, Is.EqualTo(Tiles * (Slices + (finish == GemmMmaFinish.Scaled ? 1 : 0))),
                "one for each slice, and one to pass scales");
            // A and W once per tile; the bias once per warp, of which 16 columns are two sectors.
            if (finish != GemmMmaFinish.Scaled)
            {
                Assert.That(report.GlobalLoadSectors,
                    Is.EqualTo((4 * rows) + (Tiles * (tile.BlockSize / 32) * (tile.Columns / 8))));
            }
        }
    }

    [TestCaseSource(nameof(Counted))]
    public void Ragged_edges_read_at_most_whole_tiles_without_conflicts(object types, object shape,
        GemmMmaFinish finish)
    {
        var tile = (GemmShape)shape;
        var size = new GemmMmaSize(tile.Rows + 1, tile.Columns + 3, 104);
        LaunchReport report = GemmMmaCheck.Count((GemmMmaCase)types, tile, size, finish, s_aligned);

        using (Assert.EnterMultipleScope())
        {
            Assert.That(report.SharedBankConflicts, Is.Empty);
            Assert.That(report.GlobalSectors, Is.LessThanOrEqualTo(1.1 * report.IdealSectors));
            // Of 104 elements a row has seven sectors: the copies beyond them read nothing.
            const long Tiles = 4;
            if (finish != GemmMmaFinish.Scaled)
            {
                Assert.That(report.GlobalLoadSectors, Is.LessThanOrEqualTo(
                    Tiles * ((7 * (tile.Rows + tile.Columns)) + (tile.BlockSize / 32 * (tile.Columns / 8)))));
            }
        }
    }

    /// <summary>The loop executes four instructions per slice that multiply; waits, places in the ring, and the copies
    /// and their addresses are the others. All schedulers together issue four per cycle. They need less time than the
    /// tensor cores or, for small tiles, than the second-level cache, even if that delivers two sectors per
    /// cycle.</summary>
    [TestCaseSource(nameof(Shapes))]
    public void Instructions_do_not_limit_the_loop(object shape)
    {
        const int Slices = 8;
        const double IssuesPerCycle = 4;
        const double MostCacheBytesPerCycle = 64;
        var tile = (GemmShape)shape;
        int warps = tile.BlockSize / 32;
        long shorter = Execute(Slices, tiles: 1);
        long slice = Execute(Slices + 1, tiles: 1) - shorter;
        double perWarp = (double)slice / warps;
        double ofTile = (double)(Execute(Slices, tiles: 2) - shorter) / warps;
        double issue = slice / IssuesPerCycle;
        double products = GemmCost.ProductCycles(tile, 90);
        double cache = (tile.Rows + tile.Columns) * 128 / MostCacheBytesPerCycle;
        TestContext.Out.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{tile.Rows} × {tile.Columns}: {perWarp:0.0} instructions per slice and warp, " +
            $"{ofTile - (Slices * perWarp):0} at the end of a tile; issue slots {issue:0} cycles per slice, " +
            $"products {products:0} ({issue / products:P0}), cache at least {cache:0}"));

        Assert.That(issue, Is.LessThan(Math.Max(products, cache)));
        // The estimate, which has the instructions as assembled, is not below what the text asks for.
        Assert.That(perWarp, Is.LessThanOrEqualTo(GemmCost.LoopInstructions(tile)));

        long Execute(int slices, int tiles) => GemmMmaCheck.Count(GemmMmaCase.HalfToHalf, tile,
            new GemmMmaSize(tiles * tile.Rows, tile.Columns, slices * 64), GemmMmaFinish.Linear,
            s_aligned with { BlockCount = 1 }).WarpInstructions;
    }
}
