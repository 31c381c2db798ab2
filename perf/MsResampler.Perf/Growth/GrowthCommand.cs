using System.CommandLine;
using System.Globalization;

namespace MsResampler.Perf.Growth;

/// <summary>The command <c>growth</c>: measures how the time of a call grows with patches, window and batch. The models
/// are narrow: attention then has a large share of the time, and the largest sizes stay fast.</summary>
internal sealed class GrowthCommand
{
    private const int Width = 256;
    private const int QuerySide = 8;
    private const int WindowSide = 8;

    /// <summary>If the queries grow with the patches, there is one query for this number squared of patches.</summary>
    private const int PatchesPerQuerySide = 2;

    private const string Global = """{ "name": "global", "prior": "none" }""";

    /// <summary>64 to 9216 patches.</summary>
    private static readonly int[] s_sides = [8, 12, 16, 24, 32, 48, 64, 96];

    private static readonly int[] s_windowSides = [4, 8, 16, 32, 64];
    private static readonly int[] s_batches = [1, 2, 4, 8, 16, 32, 64];
    private static readonly int[] s_frames = [1, 2, 4, 8, 16, 32, 64];
    private static readonly TimeSpan s_duration = TimeSpan.FromSeconds(0.8);

    private readonly int _threadCount;

    private GrowthCommand(int threadCount) => _threadCount = threadCount;

    public static Command Create()
    {
        Option<int> threads = new("--threads")
        {
            Description = "Threads of the engine.",
            HelpName = "N",
            DefaultValueFactory = _ => Environment.ProcessorCount,
        };
        Option<bool> frames = new("--frames")
        {
            Description = "Measure only the growth over frames, and print it in place of writing a report.",
        };
        Command command = new("growth",
            "Time the engine with growing numbers of patches, windows, images and frames, and fit exponents.")
        {
            threads, frames,
        };
        command.SetAction(parsed =>
        {
            GrowthCommand growth = new(parsed.GetValue(threads));
            string variant = CpuVariant.Choose().Name;
            if (parsed.GetValue(frames))
            {
                Console.WriteLine(new GrowthReport([growth.Frames()]).ToTables());
                return;
            }

            string folder = Machine.ResultsFolder(variant);
            string description = Machine.Describe(variant, $"growth --threads {growth._threadCount}")
                + string.Create(CultureInfo.InvariantCulture, $"- models: C = D = L = {Width}, 16 heads, one scope\n");
            growth.Run().Save(folder, "growth", description);
            Console.WriteLine(Path.Combine(folder, "growth.md"));
        });
        return command;
    }

    private static string Window(int side) => string.Create(CultureInfo.InvariantCulture,
        $$"""{ "name": "local", "prior": "window", "window": [{{side}}, {{side}}] }""");

    private static PeerShape Shape(int side, int querySide, string scope, string scopeName)
        => new($"growth-{scopeName}-{querySide}", new PatchGrid(side, side), Width, Width, querySide, Width,
            ShareKeyValues: false)
        { Scopes = [scope] };

    private GrowthReport Run()
    {
        string window = Window(WindowSide);
        string windowName = $"{WindowSide}×{WindowSide} window";
        PeerShape globalShape = Shape(24, QuerySide, Global, "global");
        PeerShape windowShape = Shape(24, QuerySide, window, $"window{WindowSide}");
        return new GrowthReport(
        [
            new($"Patches, {QuerySide * QuerySide} queries", "patches",
            [
                Series("global", s_sides, side => side * side,
                    side => (globalShape with { Grid = new(side, side) }, 1)),
                Series(windowName, s_sides, side => side * side,
                    side => (windowShape with { Grid = new(side, side) }, 1)),
            ]),
            new($"Patches, one query per {PatchesPerQuerySide}×{PatchesPerQuerySide} patches", "patches",
            [
                Series("global", s_sides, side => side * side,
                    side => (Shape(side, side / PatchesPerQuerySide, Global, "global"), 1)),
                Series(windowName, s_sides, side => side * side,
                    side => (Shape(side, side / PatchesPerQuerySide, window, $"window{WindowSide}"), 1)),
            ]),
            new("Window, 64×64 patches, 32×32 queries", "patches in a window",
            [
                Series("window", s_windowSides, side => side * side,
                    side => (Shape(64, 32, Window(side), $"window{side}"), 1)),
            ]),
            new($"Batch, 24×24 patches, {QuerySide * QuerySide} queries", "images",
            [
                Series("global", s_batches, batch => batch, batch => (globalShape, batch)),
                Series(windowName, s_batches, batch => batch, batch => (windowShape, batch)),
            ]),
            Frames(),
        ]);
    }

    /// <summary>One group of frames, with a scope that sees everything and one that sees few patches of each
    /// frame.</summary>
    private GrowthPanel Frames()
    {
        const int Side = 16;
        const int Narrow = 2;
        PeerShape global = Shape(Side, QuerySide, Global, "global");
        PeerShape narrow = Shape(Side, QuerySide, Window(Narrow), $"window{Narrow}");
        return new($"Frames of a group, {Side}×{Side} patches, {QuerySide * QuerySide} queries", "frames",
        [
            new("global", [.. s_frames.Select(count => MeasureGroup(global, count))]),
            new($"{Narrow}×{Narrow} window", [.. s_frames.Select(count => MeasureGroup(narrow, count))]),
        ]);
    }

    private GrowthSeries Series(string name, int[] steps, Func<int, int> size,
        Func<int, (PeerShape Shape, int Batch)> at)
        => new(name, [.. steps.Select(step => new GrowthPoint(size(step), Measure(at(step).Shape, at(step).Batch)))]);

    private GrowthPoint MeasureGroup(PeerShape shape, int frameCount)
    {
        PerfModel model = PerfModel.Of(shape);
        using ResamplerModel opened = ResamplerModel.Open(model.Folder);
        PatchGrid[] grids = model.Grids(frameCount);
        Planner planner = new(opened.Config, opened.Weights.KeyValueInput is not null, CpuVariant.Choose().Costs);
        GroupPlan plan = planner.PlanGroup(grids);
        using Resampler engine = Resampler.Load(opened, new ResamplerOptions { ThreadCount = _threadCount });
        float[] features = model.Features(frameCount);
        float[] tokens = model.Tokens(batch: 1);
        int[] ids = [.. Enumerable.Range(0, frameCount)];
        Spread times = Alternation.Measure(s_duration, () => engine.Resample(features,
            new FrameGroups(grids, ids, [frameCount]), tokens))[0];
        ScopePlan scope = plan.Frames[0].Scopes[0];
        Console.Error.WriteLine($"{shape.Key}, {shape.Grid}, {frameCount} frames, keys {scope.Keys}, values " +
            $"{scope.Values}: {times.Median:0.000} ms");
        return new GrowthPoint(frameCount, times, plan.Flops);
    }

    private Spread Measure(PeerShape shape, int batch)
    {
        PerfModel model = PerfModel.Of(shape);
        using Resampler engine = Resampler.Load(model.Folder, new ResamplerOptions { ThreadCount = _threadCount });
        float[] features = model.Features(batch);
        float[] tokens = model.Tokens(batch);
        PatchGrid[] grids = model.Grids(batch);
        Spread times = Alternation.Measure(s_duration, () => engine.Resample(features, grids, tokens))[0];
        Console.Error.WriteLine($"{shape.Key}, {shape.Grid}, batch {batch}: {times.Median:0.000} ms");
        return times;
    }
}
