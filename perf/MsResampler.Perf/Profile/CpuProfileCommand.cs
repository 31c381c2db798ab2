using System.CommandLine;
using System.Diagnostics;

namespace MsResampler.Perf.Profile;

/// <summary>The command <c>cpu-profile</c>: the times of the stages of the CPU forward pass, compared with the limits
/// of the machine, and the predicted speed on more threads.</summary>
internal sealed class CpuProfileCommand
{
    private static readonly int[] s_batches = [1, 8];
    private static readonly int[] s_threadCounts = [1, 2, 4, 8, 16, 32, 64];

    private static readonly (string Name, ResamplerOptions Options)[] s_precisions =
    [
        ("float32", new ResamplerOptions()),
        ("int8", new ResamplerOptions { Precision = Precision.Int8 }),
        ("int8-all", new ResamplerOptions { Precision = Precision.Int8, Int8Layers = ModelLayers.All }),
    ];

    private static readonly TimeSpan s_warmUp = TimeSpan.FromSeconds(2);

    private readonly CpuVariant _variant = CpuVariant.Choose();
    private readonly KernelSet _kernels;
    private readonly TimeSpan _duration;
    private readonly Dictionary<int, Limits> _limits = [];
    private readonly ResamplerOptions _options;

    private CpuProfileCommand(bool isQuick, string precision)
    {
        _options = s_precisions.Single(known => known.Name == precision).Options;
        _kernels = KernelSet.Of(_variant);
        _duration = TimeSpan.FromSeconds(isQuick ? 0.5 : 3);
    }

    public static Command Create()
    {
        Option<bool> quick = new("--quick") { Description = "Measure each case for half a second only." };
        Option<string[]> shapes = ShapeOptions.NamesOption();
        Option<string?> keyValues = new Option<string?>("--kv")
        {
            Description = "Use only models with these keys and values: separate or shared.",
            HelpName = "KIND",
        }.AcceptOnlyFromAmong("separate", "shared");
        Option<int[]> batches = new("--batch")
        {
            Description = "Images in a call (default: 1 and 8).",
            HelpName = "N",
            AllowMultipleArgumentsPerToken = true,
        };
        Option<int[]> threads = new("--threads")
        {
            Description = "Numbers of threads (default: 1, and one per processor).",
            HelpName = "N",
            AllowMultipleArgumentsPerToken = true,
        };
        Option<string> precision = new Option<string>("--precision")
        {
            Description = "float32 (default); int8: with the default layers in 8 bits; int8-all: with all layers. " +
                "Predictions for more threads are for float32 only.",
            HelpName = "NAME",
            DefaultValueFactory = _ => s_precisions[0].Name,
        }.AcceptOnlyFromAmong([.. s_precisions.Select(known => known.Name)]);
        Command command = new("cpu-profile", "Time every stage of the CPU forward pass, compare it with the limits " +
            "of the machine, and predict the speed on up to 64 threads.")
        {
            quick, shapes, keyValues, batches, threads, precision,
        };
        command.SetAction(parsed =>
        {
            string[] names = parsed.GetValue(shapes) ?? [];
            string? kind = parsed.GetValue(keyValues);
            int[] counts = parsed.GetValue(threads) is [_, ..] given ? given : [1, Environment.ProcessorCount];
            PeerShape[] selected = [.. from shape in PeerShape.All
                                       where names.Length == 0 || names.Contains(shape.Name)
                                       from isShared in (bool[])[false, true]
                                       where kind is null || kind == (isShared ? "shared" : "separate")
                                       select shape with { ShareKeyValues = isShared }];
            int[] images = parsed.GetValue(batches) is [_, ..] some ? some : s_batches;
            string chosen = parsed.GetValue(precision)!;
            CpuProfileCommand profile = new(parsed.GetValue(quick), chosen);
            ProfileReport report = profile.Run(selected, images, [.. counts.Distinct().Order()]);
            bool isWhole = names.Length == 0 && kind is null && images == s_batches;
            string line = "cpu-profile" + (parsed.GetValue(quick) ? " --quick" : "")
                + (chosen == s_precisions[0].Name ? "" : $" --precision {chosen}");
            string name = chosen == s_precisions[0].Name ? "profile.md" : $"profile-{chosen}.md";
            Save(report.ToMarkdown(Machine.Describe(profile._variant.Name, line)), isWhole ? name : null,
                profile._variant.Name);
        });
        return command;
    }

    private static void Save(string markdown, string? name, string variant)
    {
        Console.WriteLine(markdown);
        if (name is null)
            return;
        string folder = Machine.ResultsFolder(variant);
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, name), markdown);
    }

    private ProfileReport Run(PeerShape[] shapes, int[] batches, int[] threadCounts)
    {
        foreach (int threads in threadCounts)
            _limits[threads] = Limits.Measure(_kernels, threads);
        WarmUp(shapes[0]);
        List<ProfileRow> rows = [];
        foreach (PeerShape shape in shapes)
        {
            using ResamplerModel model = ResamplerModel.Open(PerfModel.Of(shape).Folder);
            foreach (int batch in batches)
            {
                foreach (int threads in threadCounts)
                {
                    ProfileCase profileCase = new(shape, batch, threads);
                    rows.Add(Describe(model, profileCase, Measure(model, profileCase)));
                    Console.Error.WriteLine($"{profileCase.Name}: {rows[^1].Profile.Call.Median:0.00} ms");
                }
            }
        }

        double handOver = HandOver(rows);
        List<Scaling> scalings = [];
        foreach (PeerShape shape in _options.Precision == Precision.Int8 ? [] : shapes)
        {
            using ResamplerModel model = ResamplerModel.Open(PerfModel.Of(shape).Folder);
            scalings.AddRange(batches.Select(batch => Predict(model, new ProfileCase(shape, batch, 1), handOver)));
        }

        return new ProfileReport([.. _limits.Values], rows, scalings, handOver);
    }

    /// <summary>Calls until the just-in-time compiler has optimised the kernels.</summary>
    private void WarmUp(PeerShape shape)
    {
        PerfModel model = PerfModel.Of(shape);
        using Resampler engine = Resampler.Load(model.Folder, _options);
        float[] features = model.Features(batch: 1);
        float[] tokens = model.Tokens(batch: 1);
        for (Stopwatch elapsed = Stopwatch.StartNew(); elapsed.Elapsed < s_warmUp;)
            engine.Resample(features, model.Grids(batch: 1), tokens);
    }

    /// <summary>The median over all stages of the time between phases with several threads, so that a disturbed case
    /// does not count; 0 if only one thread was measured.</summary>
    private static double HandOver(List<ProfileRow> rows)
    {
        double[] times = [.. rows.Where(row => row.Case.Threads > 1)
            .SelectMany(row => row.Profile.Stages.Select(stage => stage.HandOverMs / stage.RunCount))];
        return times.Length == 0 ? 0 : Spread.Of(times).Median;
    }

    /// <summary>Measures a case with the engine's threads, and checks the tokens.</summary>
    private CallProfile Measure(ResamplerModel model, ProfileCase profileCase)
    {
        PerfModel perfModel = PerfModel.Of(profileCase.Shape);
        float[] features = perfModel.Features(profileCase.Batch);
        float[] tokens = perfModel.Tokens(profileCase.Batch);
        PatchGrid[] grids = perfModel.Grids(profileCase.Batch);
        TimingPool pool = new(profileCase.Threads, isSequential: false);
        using Resampler engine = Load(model, pool);
        CallProfile profile = CallProfile.Measure(pool, _duration, () => engine.Resample(features, grids, tokens));
        Check(model, profileCase, features, grids, tokens);
        return profile;
    }

    /// <summary>Measures the tasks that the engine cuts for a number of threads, on one thread. Returns
    /// <paramref name="known"/> if they are the same tasks.</summary>
    private CallProfile MeasureTasks(ResamplerModel model, ProfileCase profileCase, CallProfile? known)
    {
        PerfModel perfModel = PerfModel.Of(profileCase.Shape);
        float[] features = perfModel.Features(profileCase.Batch);
        float[] tokens = perfModel.Tokens(profileCase.Batch);
        PatchGrid[] grids = perfModel.Grids(profileCase.Batch);
        TimingPool pool = new(profileCase.Threads, isSequential: true);
        using Resampler engine = Load(model, pool);
        engine.Resample(features, grids, tokens);
        return known is not null && pool.TaskCounts.SequenceEqual(known.Phases.Select(phase => phase.TaskMs.Length))
            ? known : CallProfile.Measure(pool, _duration, () => engine.Resample(features, grids, tokens));
    }

    private Resampler Load(ResamplerModel model, TimingPool pool) => Resampler.Load(model, _options with
    {
        ThreadCount = pool.ThreadCount,
        ProcessorCount = pool.ThreadCount,
        CreateWorkers = _ => pool,
    });

    /// <summary>Tokens must have the same bits as those of an engine whose tasks are not timed.</summary>
    private void Check(ResamplerModel model, ProfileCase profileCase, float[] features, PatchGrid[] grids,
        float[] tokens)
    {
        float[] expected = new float[tokens.Length];
        using Resampler engine = Resampler.Load(model, _options);
        engine.Resample(features, grids, expected);
        if (!tokens.AsSpan().SequenceEqual(expected))
            throw new InvalidOperationException($"{profileCase.Name}: expected the tokens of an engine without " +
                $"measurements, found a relative L2 difference of {Agreement.RelativeL2(tokens, expected)}");
    }

    private GridPlan Plan(ResamplerModel model, PatchGrid grid)
    {
        using Resampler engine = Resampler.Load(model, _options);
        return _kernels.Cut(engine.Plan(grid), model.Config);
    }

    private ProfileRow Describe(ResamplerModel model, ProfileCase profileCase, CallProfile profile)
    {
        GridPlan plan = Plan(model, profileCase.Shape.Grid);
        CallWork work = new(model, plan.Plan, _kernels.PanelWidth, _variant.Costs, profileCase.Batch,
            profile.Stages.ToDictionary(stage => stage.Stage, stage => stage.TaskCount),
            profile.Stages.Max(stage => stage.RunCount), _options.Precision == Precision.Int8);
        return new ProfileRow(profileCase, profile, [.. profile.Stages.Select(stage => work.Of(stage.Stage))],
            AttentionByScope(model, plan, profile, work), work.AreWeightsCached);
    }

    /// <summary>The attention of each scope. The tasks of an image follow one another.</summary>
    private static ScopeAttention[] AttentionByScope(ResamplerModel model, GridPlan plan, CallProfile profile,
        CallWork work)
    {
        double[] busy = new double[model.Config.Scopes.Count];
        int[] counts = new int[busy.Length];
        foreach (PhaseTasks phase in profile.Phases.Where(phase => phase.Stage == "Attention"))
        {
            for (int task = 0; task < phase.TaskMs.Length; task++)
            {
                int scope = plan.Tasks[task % plan.Tasks.Length].Scope;
                busy[scope] += phase.TaskMs[task];
                counts[scope]++;
            }
        }

        return [.. busy.Select((time, scope) => new ScopeAttention(
            $"{model.Config.Scopes[scope].Name}, {plan.Plan.Scopes[scope].Keys}".ToLowerInvariant(), counts[scope],
            time, work.AttentionOf(plan.Plan.Scopes[scope])))];
    }

    private Scaling Predict(ResamplerModel model, ProfileCase one, double handOver)
    {
        GridPlan plan = Plan(model, one.Shape.Grid);
        CallProfile first = MeasureTasks(model, one, known: null);
        double total = first.OutsideMs + PhaseTasks.Time(first.Phases, 1, handOver);
        List<ScalingPoint> points = [];
        CallProfile cut = first;
        foreach (int threads in s_threadCounts)
        {
            cut = MeasureTasks(model, one with { Threads = threads }, cut);
            TaskGraph graph = new ForwardGraph(model.Config, plan, _kernels.PanelWidth).Build(cut.Phases);
            double time = first.OutsideMs + PhaseTasks.Time(cut.Phases, threads, handOver);
            (string stage, double idle) = PhaseTasks.MostIdle(cut.Phases, threads);
            points.Add(new ScalingPoint(threads,
                total / (first.OutsideMs + PhaseTasks.Time(first.Phases, threads, handOver)), total / time,
                total / (first.OutsideMs + graph.Schedule(threads)), stage, idle / (threads * time),
                first.OutsideMs + cut.Phases.Sum(phase => phase.TaskMs.Max()),
                first.OutsideMs + graph.CriticalPathMs));
        }

        Console.Error.WriteLine($"{one.Title}: {points[^1].SpeedUp:0.0} times as fast on {points[^1].Threads} threads");
        return new Scaling(one, points);
    }
}
