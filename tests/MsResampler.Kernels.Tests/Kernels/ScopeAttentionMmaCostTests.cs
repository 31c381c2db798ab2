using MsResampler.Cli.Ptx;
using MsResampler.Kernels.Attention;
using MsResampler.Kernels.Forward.Bits16;
using MsResampler.Kernels.Tests.Compiler;
using MsResampler.Kernels.Tiles;
using MsResampler.Planning;
using PtxEmulator;

namespace MsResampler.Kernels.Tests.Kernels;

/// <summary>The cost of the tensor-core attention: as scheduled, as emulated and as assembled.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class ScopeAttentionMmaCostTests
{
    private const int HeadCount = 2;
    private static readonly int[] s_architectures = [80, 86, 89, 90];
    private static readonly PatchGrid s_grid = new(24, 24);
    private static readonly QueryGrid s_queries = new(12, 12);

    [TestCase(32)]
    [TestCase(64)]
    [TestCase(80)]
    [TestCase(96)]
    [TestCase(128)]
    public void Shared_memory_has_no_conflicts_and_sectors_are_used_fully(int headSize)
    {
        ResamplerConfig config = Config(headSize, Configs.Window(4, 4),
            Configs.Gaussian(4, 4, new AxisPair(12, 12)), Configs.None);
        ScopeAttentionMmaCase @case = new(config, true, [s_grid]);

        LaunchReport report = @case.Run(storesLogSums: false).Report;

        long units = HeadCount * @case.Schedules.Sum(schedule => schedule.UnitCount);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(report.SharedBankConflicts, Is.Empty);
            Assert.That(report.GlobalSectors, Is.LessThanOrEqualTo(1.1 * report.IdealSectors));
            // Per 8 channels, one product for the logits and one for the sums.
            Assert.That(report.MatrixInstructions, Is.EqualTo(units * 2 * (headSize / 8)));
            Assert.That(report.GlobalStoreSectors, Is.EqualTo(report.IdealStoreSectors));
            Assert.That(report.GlobalStoreBytes,
                Is.EqualTo(s_queries.QueryCount * config.Scopes.Count * HeadCount * headSize * sizeof(ushort)));
        }
    }

    /// <summary>The lanes of a warp load the biases of four keys and eight queries at once. The biases of a column
    /// are in one sector per key. The keys are in one or two rows, and in a tile of ten columns so are most groups of
    /// eight queries: fewer than two sectors on average.</summary>
    [Test]
    public void Biases_are_read_from_few_sectors()
    {
        ScopeAttentionMmaCase gaussian = new(Config(64, Configs.Gaussian(4, 4, new AxisPair(12, 12))), true, [s_grid]);
        ScopeAttentionMmaCase window = new(Config(64, Configs.Window(12, 12)), true, [s_grid]);

        LaunchReport biased = gaussian.Run(storesLogSums: false).Report;
        LaunchReport masked = window.Run(storesLogSums: false).Report;

        // A lane adds two biases to each of its eight logits of a unit.
        long loads = HeadCount * gaussian.Schedules.Single().UnitCount * 8 * 2;
        double sectors = (double)(biased.GlobalSectors - masked.GlobalSectors) / loads;
        TestContext.Out.WriteLine($"{sectors:0.00} sectors a load, {biased.WarpInstructions} against " +
            $"{masked.WarpInstructions} instructions");
        Assert.That(sectors, Is.InRange(1, (4 + 2) / 2.0));
        Assert.That(biased.SharedBankConflicts, Is.Empty);
        Assert.That(biased.MatrixInstructions, Is.EqualTo(masked.MatrixInstructions));
    }

    /// <summary>Every other head starts in the middle of a sector: its 64 bytes are in three sectors instead of
    /// two.</summary>
    [Test]
    public void Heads_with_an_odd_number_of_16_byte_chunks_have_no_conflicts([Values(40, 72)] int headSize)
    {
        ResamplerConfig config = Config(headSize, Configs.Window(4, 4), Configs.None);

        LaunchReport report = new ScopeAttentionMmaCase(config, true, [s_grid]).Run(storesLogSums: false).Report;

        using (Assert.EnterMultipleScope())
        {
            Assert.That(report.SharedBankConflicts, Is.Empty);
            Assert.That(report.GlobalSectors, Is.LessThanOrEqualTo(1.5 * report.IdealSectors));
        }
    }

    [Test]
    public void Keys_and_values_are_read_once_per_tile()
    {
        ScopeAttentionMmaCase @case = new(Config(64, Configs.Window(4, 4), Configs.None), true, [s_grid]);
        IEnumerable<QueryTile> tiles = @case.PlanOf(s_grid).Scopes.SelectMany(scope => scope.Tiles);
        const int RowSectors = 64 * sizeof(ushort) / 32;
        long keySectors = HeadCount * tiles.Sum(tile => 2L * tile.KeyCount * RowSectors);

        LaunchReport report = @case.Run(storesLogSums: false).Report;

        // The queries, rounded up to 16, and the tables: the lists are read by every warp that copies or masks, four
        // bytes per key.
        long querySectors = HeadCount * tiles.Sum(tile => (tile.QueryCount + 15L) / 16 * 16 * RowSectors);
        Assert.That(report.GlobalLoadSectors, Is.InRange(keySectors + querySectors,
            1.15 * (keySectors + querySectors)));
    }

    /// <summary>Windows of every kind on grids that are not multiples of the key tiles. The minimum is: for every 16
    /// queries of a tile, the keys that any query of the tile sees, in units of 16.</summary>
    [Test]
    public void Keys_outside_the_windows_of_a_tile_are_not_multiplied(
        [Values("24x24", "27x27", "14x14", "32x17", "7x50")] string grid)
    {
        int[] extents = [.. grid.Split('x').Select(int.Parse)];
        PatchGrid patches = new(extents[0], extents[1]);
        foreach (ScopeConfig scope in new[]
        {
            Configs.Window(4, 4), Configs.Window(1, 1), Configs.Window(7, 3, WindowBorder.Shift),
            Configs.Gaussian(4, 4, new AxisPair(12, 12)), Configs.Gaussian(4, 4), Configs.None,
        })
        {
            ResamplerConfig config = Config(64, scope);
            ScopeAttentionMmaCase @case = new(config, true, [patches]);
            ScopePlan plan = @case.PlanOf(patches).Scopes[0];
            double needed = plan.Tiles.Sum(tile => Math.Ceiling(tile.QueryCount / 16.0)
                * Math.Ceiling(SeenCount(plan.Windows.Rows, tile.QueryRows)
                    * SeenCount(plan.Windows.Columns, tile.QueryColumns) / 16.0));

            long executed = @case.Schedules.Single().UnitCount;

            Assert.That(executed, Is.EqualTo(needed), scope.ToString());
        }
    }

    [Test]
    public void A_window_of_sixteen_patches_costs_5_9_times_less_than_the_whole_image()
    {
        LaunchReport window = new ScopeAttentionMmaCase(Config(64, Configs.Window(4, 4)), true, [s_grid]).Run().Report;
        LaunchReport dense = new ScopeAttentionMmaCase(Config(64, Configs.None), true, [s_grid]).Run().Report;

        TestContext.Out.WriteLine($"{dense.MatrixInstructions} against {window.MatrixInstructions} products, " +
            $"{dense.WarpInstructions} against {window.WarpInstructions} instructions");
        // Nine tiles of 4×4 queries see 10 rows and columns, 9 at an edge: 7, 6 or 6 units of 16 keys. Without
        // windows, nine times 16 queries see 36 units: 55 units instead of 324.
        Assert.That(324 * window.MatrixInstructions, Is.LessThanOrEqualTo(55 * dense.MatrixInstructions));
    }

    [Test]
    public void Blocks_are_ordered_by_length_and_grouped_by_scope()
    {
        ResamplerConfig config = Config(64, Configs.Window(4, 4), Configs.None, Configs.Window(2, 2));
        MmaBlock[] blocks = new ScopeAttentionMmaCase(config, true, [s_grid]).Schedules.Single()
            .BlocksAt(0, 0, 0, 0);

        Assert.That(blocks.Select(ScopeSchedule.Duration), Is.Ordered.Descending);
        Assert.That(blocks.Take(3).Select(block => block.Scope), Is.All.EqualTo(1), "the scope without a window");
    }

    [TestCase(32)]
    [TestCase(64)]
    [TestCase(80)]
    [TestCase(96)]
    [TestCase(128)]
    public void The_assembled_kernel_uses_no_local_memory(int headSize)
    {
        IReadOnlyList<Ptxas> all = Ptxas.OrSkip();
        using (Assert.EnterMultipleScope())
        {
            foreach (Ptxas ptxas in all)
            {
                foreach (int architecture in s_architectures)
                {
                    Check(ptxas, Bits16Kernels.Float16.AttentionFor(headSize), architecture);
                    Check(ptxas, Bits16Kernels.BFloat16.AttentionFor(headSize), architecture);
                }
            }
        }

        static void Check(Ptxas ptxas, KernelVariant variant, int architecture)
        {
            string name = $"{variant}, {ptxas}, sm_{architecture}";
            PtxasReport report = ptxas.Assemble(variant.Compile(EmulatorHost.Compiler, 80), architecture);
            // See MmaHeadTile64: 12 bytes of stores and 20 of loads.
            bool isKnown = variant.Name.Contains("MmaHeadTile64", StringComparison.Ordinal)
                && ptxas.ToString() == "ptxas 12.4" && architecture == 80;
            Assert.That((report.StackBytes, report.SpillBytes), Is.EqualTo(isKnown ? (8, 32) : (0, 0)), name);
            Assert.That(report.Registers * variant.BlockSize * variant.BlockCount, Is.LessThanOrEqualTo(65536),
                $"registers, {name}");
            Assert.That(report.SharedBytes, Is.LessThanOrEqualTo(48 << 10));
        }
    }

    [TestCase(64, 0.18)]
    [TestCase(128, 0.25)]
    public void The_loop_without_a_mask_consists_mostly_of_products(int headSize, double least)
    {
        IReadOnlyList<Ptxas> all = Ptxas.OrSkip();
        CompiledKernel kernel = Bits16Kernels.Float16.AttentionFor(headSize)
            .Compile(EmulatorHost.Compiler, 80);
        foreach (Ptxas ptxas in all)
        {
            foreach (int architecture in s_architectures)
            {
                // The loops over 64 keys: without a mask, with a window mask, with a bias.
                MachineCode[] loops = [.. ptxas.DisassembleLoops(kernel, architecture)
                    .Where(loop => loop.Count("HMMA") == headSize)];
                double[] shares = [.. loops.Select(loop =>
                    (double)loop.Count("HMMA") / loop.Instructions.Values.Sum())];
                TestContext.Out.WriteLine($"{ptxas}, sm_{architecture}: " +
                    string.Join(", ", shares.Select(share => $"{share:0.00}")));

                Assert.That(shares[0], Is.GreaterThanOrEqualTo(least), $"{ptxas}, sm_{architecture}: " +
                    string.Join(", ", loops[0].Instructions.OrderByDescending(pair => pair.Value)));
            }
        }
    }

    private static ResamplerConfig Config(int headSize, params ScopeConfig[] scopes)
        => Configs.Of(scopes) with
        {
            HiddenSize = HeadCount * headSize,
            AttentionHeadCount = HeadCount,
            QueryGrid = s_queries,
        };

    /// <summary>The number of patches along an axis that any of the queries sees.</summary>
    private static int SeenCount(IReadOnlyList<AxisRange> windows, AxisRange queries)
        => Enumerable.Range(queries.Start, queries.Count)
            .SelectMany(query => Enumerable.Range(windows[query].Start, windows[query].Count))
            .Distinct().Count();
}
