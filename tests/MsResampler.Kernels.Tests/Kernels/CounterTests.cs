using System.Diagnostics;
using MsResampler.Kernels.Forward;
using MsResampler.Planning;
using PtxEmulator;

namespace MsResampler.Kernels.Tests.Kernels;

/// <summary>The instructions of the kernels for a model of 24×24 patches, 12×12 queries and 256 channels. A lost
/// vector load, a new bank conflict or barrier, or a block that is no longer skipped fails one of these
/// tests.</summary>
public class CounterTests
{
    private const int Width = 256;
    private const int HeadCount = 4;
    private const int HeadVectors = Width / HeadCount / 4;
    private const int PatchCount = 24 * 24;
    private const int QueryCount = 12 * 12;
    private const int ScopeCount = 3;
    private const int GateWidth = 64;
    private const int OutputSize = 512;

    private readonly List<(string Kernel, LaunchReport Report)> _launches = [];
    private IReadOnlyList<ScopePlan> _scopes = [];
    private TimeSpan _duration;

    private static ResamplerConfig Config(params ScopeConfig[] scopes) => Configs.Of(scopes) with
    {
        VisionHiddenSize = Width,
        HiddenSize = Width,
        AttentionHeadCount = HeadCount,
        QueryGrid = new QueryGrid(12, 12),
        OutputSize = OutputSize,
        Gate = scopes.Length == 1 ? null : new GateConfig(GateWidth, GateGranularity.Head),
    };

    [OneTimeSetUp]
    public void RunModel()
    {
        long start = Stopwatch.GetTimestamp();
        _scopes = Run(Config(Configs.Window(4, 4), Configs.Gaussian(4, 4, new AxisPair(12, 12)), Configs.None),
            _launches);
        _duration = Stopwatch.GetElapsedTime(start);
    }

    [Test]
    public void The_emulator_runs_the_model_in_seconds()
        => Assert.That(_duration, Is.LessThan(TimeSpan.FromSeconds(20)),
            "the suite must be able to run on slow machines");

    [Test]
    public void A_call_has_nine_launches() => Assert.That(_launches.Select(launch => launch.Kernel), Is.EqualTo(
        new[]
        {
            "GemmTiled GemmTile128 LinearEpilogue", "LayerNormWarp BothRows", "GemmTiled GemmTile128 LinearEpilogue",
            "GemmTiled GemmTile128 LinearEpilogue", "ScopeAttentionTiled HeadTile64",
            "GemmTiled GemmTile128 LinearEpilogue", "GemmTiled GemmTile64 GeluEpilogue", "FusionGateWarp",
            "GemmTiled GemmTile128 LinearEpilogue",
        }));

    [Test]
    public void Shared_memory_has_no_bank_conflicts() => Assert.That(
        _launches.SelectMany(launch => launch.Report.SharedBankConflicts), Is.Empty);

    // The products of the input, keys, values, outputs (three at once) and tokens.
    [TestCase(0, PatchCount, Width, Width, 1)]
    [TestCase(2, PatchCount, ScopeCount * Width, Width, 1)]
    [TestCase(3, PatchCount, ScopeCount * Width, Width, 1)]
    [TestCase(5, QueryCount, Width, Width, ScopeCount)]
    [TestCase(8, QueryCount, OutputSize, Width, 1)]
    public void Large_products_match_the_tile_counts_and_load_16_bytes_at_once(int launch, int rows, int columns,
        int inner, int count)
    {
        LaunchReport report = _launches[launch].Report;
        long blocks = ((rows + 127) / 128) * ((columns + 127) / 128) * count;
        long warps = 8 * blocks;
        int slices = inner / 16;
        using (Assert.EnterMultipleScope())
        {
            // Per column, a thread computes 8 x 8 elements from two vectors of each operand.
            Assert.That(report.Count("fma.rn"), Is.EqualTo(warps * inner * 64));
            Assert.That(report.Count("ld.shared.v4"), Is.EqualTo(warps * inner * 4));
            // Two vectors of each operand per slice, and two of the bias.
            Assert.That(report.Count("ld.global.v4"), Is.EqualTo(warps * ((slices * 4) + 2)));
            Assert.That(report.Count("ld.global"), Is.EqualTo(report.Count("ld.global.v4")));
            // The operands are transposed element by element.
            Assert.That(report.Count("st.shared"), Is.EqualTo(warps * (slices + 1) * 16));
            Assert.That(report.Barriers, Is.EqualTo(blocks * (slices + 1)));
            Assert.That(report.GlobalLoadSectors, Is.EqualTo(report.IdealLoadSectors));
            Assert.That(report.GlobalStoreBytes, Is.EqualTo((long)count * rows * columns * sizeof(float)));
            // Keys are stored in quads of channels: 16 bytes of each 32-byte sector at a time.
            Assert.That(report.GlobalStoreSectors, Is.EqualTo((launch == 2 ? 2 : 1) * report.IdealStoreSectors));
        }
    }

    [Test]
    public void The_product_of_the_gate_matches_the_small_tile_counts()
    {
        LaunchReport report = _launches[6].Report;
        const int Inner = ScopeCount * Width;
        long blocks = ((QueryCount + 63) / 64) * (GateWidth / 64);
        long warps = 4 * blocks;
        // A thread has 32 elements, and the GELU of one takes eleven multiply-adds.
        const int GeluFmas = 11;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(report.Count("fma.rn"), Is.EqualTo(warps * (Inner + GeluFmas) * 32));
            Assert.That(report.Count("ld.global.v4"), Is.EqualTo(warps * ((Inner / 16 * 4) + 1)));
            Assert.That(report.GlobalSectors, Is.EqualTo(report.IdealSectors));
            Assert.That(report.Barriers, Is.EqualTo(blocks * ((Inner / 16) + 1)));
        }
    }

    [Test]
    public void Layer_normalisation_reads_rows_three_times_without_barriers()
    {
        LaunchReport report = _launches[1].Report;
        const int LaneVectors = Width / 4 / 32;
        using (Assert.EnterMultipleScope())
        {
            // The row three times, then weight, bias and position.
            Assert.That(report.Count("ld.global.v4"), Is.EqualTo(PatchCount * LaneVectors * 6));
            // The first element, and the index of the position.
            Assert.That(report.Count("ld.global"), Is.EqualTo(PatchCount * ((LaneVectors * 6) + 2)));
            Assert.That(report.Count("st.global.v4"), Is.EqualTo(PatchCount * LaneVectors * 2));
            Assert.That(report.GlobalSectors, Is.EqualTo(report.IdealSectors));
            // The maximum, the mean, its correction and the variance, each over 32 lanes.
            Assert.That(report.Count("shfl"), Is.EqualTo(PatchCount * 4 * 5));
            Assert.That(report.Barriers, Is.Zero);
        }
    }

    [Test]
    public void The_gate_sums_logits_over_lanes_without_barriers()
    {
        LaunchReport report = _launches[7].Report;
        const int LogitCount = ScopeCount * HeadCount;
        using (Assert.EnterMultipleScope())
        {
            // One sum per logit, and four for the normalisation.
            Assert.That(report.Count("shfl"), Is.EqualTo(QueryCount * (LogitCount + 4) * 5));
            Assert.That(report.GlobalSectors, Is.EqualTo(report.IdealSectors));
            Assert.That(report.Barriers, Is.Zero);
        }
    }

    [Test]
    public void Attention_multiplies_only_the_blocks_of_its_schedule()
    {
        LaunchReport report = _launches[4].Report;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(report.Count("fma.rn"), Is.EqualTo(_scopes.Sum(AttentionFmas)));
            // One before and one after the queries are loaded, and two while the sums of the warps are merged.
            Assert.That(report.Barriers, Is.EqualTo(_scopes.Sum(scope => scope.Tiles.Count) * HeadCount * 4));
            // Eight adjacent keys can start in the middle of a sector: five sectors instead of four.
            Assert.That(report.GlobalLoadSectors, Is.LessThanOrEqualTo(report.IdealLoadSectors * 5 / 4));
            Assert.That(report.GlobalStoreSectors, Is.EqualTo(report.IdealStoreSectors));
            Assert.That(report.GlobalStoreBytes, Is.EqualTo(QueryCount * ScopeCount * Width * sizeof(float)));
        }
    }

    [Test]
    public void A_window_of_sixteen_patches_costs_a_fifth_of_the_whole_image()
    {
        List<(string Kernel, LaunchReport Report)> local = [];
        List<(string Kernel, LaunchReport Report)> dense = [];
        IReadOnlyList<ScopePlan> window = Run(Config(Configs.Window(4, 4)), local);
        Run(Config(Configs.None), dense);
        long localFmas = local.Single(launch => launch.Kernel.StartsWith("ScopeAttention", StringComparison.Ordinal))
            .Report.Count("fma.rn");
        long denseFmas = dense.Single(launch => launch.Kernel.StartsWith("ScopeAttention", StringComparison.Ordinal))
            .Report.Count("fma.rn");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(localFmas, Is.EqualTo(AttentionFmas(window[0])));
            // Sixteen queries see at most 100 of the 576 patches.
            Assert.That(localFmas, Is.LessThan(0.2 * denseFmas));
        }
    }

    /// <summary>The multiplications of a scope, per warp. A warp processes 32 keys at a time: a lane computes 16
    /// logits, and then 4 queries by 2 vectors of values for each key, rounded up to four keys. In every step, each of
    /// the 4 warps rescales the totals of its 4 queries, also one without keys; at the end each adds those of all 4
    /// warps.</summary>
    private static long AttentionFmas(ScopePlan scope) => HeadCount * scope.Tiles.Sum(tile =>
    {
        long fmas = ((tile.KeyCount + 127) / 128 * 4 * 4) + (4 * 4 * 4);
        for (int key = 0; key < tile.KeyCount; key += 32)
            fmas += (16 * 4 * HeadVectors) + ((Math.Min(32, tile.KeyCount - key) + 3) / 4 * 4 * 4 * 2 * 4);
        return fmas;
    });

    private static IReadOnlyList<ScopePlan> Run(ResamplerConfig config,
        List<(string Kernel, LaunchReport Report)> launches)
    {
        PatchGrid grid = new(24, 24);
        using TestModel model = new(config);
        EmulatorDevice device = new();
        using GpuEngine engine = new(device, EmulatorHost.Compiler, model.Model, new());
        int first = device.Reports.Count;
        engine.Resample(model.RandomFeatures(grid, 1), [grid], new float[QueryCount * OutputSize],
            CancellationToken.None);
        launches.AddRange(device.Reports.Skip(first));
        return engine.Plan(grid).Scopes;
    }
}
