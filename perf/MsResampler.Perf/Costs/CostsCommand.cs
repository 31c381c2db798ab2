using System.CommandLine;
using System.Globalization;

namespace MsResampler.Perf.Costs;

/// <summary>The command <c>costs</c>: checks that the planner's predicted costs rank the strategies of a scope in the
/// same order as measured times.</summary>
internal sealed class CostsCommand
{
    /// <summary>Sides of windows around the size from which projecting is cheaper than absorbing.</summary>
    private static readonly int[] s_windowSides = [4, 8, 12, 16, 20];

    private static readonly TimeSpan s_duration = TimeSpan.FromSeconds(2);

    private readonly CpuVariant _variant = CpuVariant.Choose();
    private readonly List<ScopeCosts> _scopes = [];
    private readonly Action _gemm;

    private CostsCommand()
    {
        GemmShape shape = GemmShape.KeysAndValues;
        _gemm = KernelSet.Of(_variant).Gemm(Values(shape.Rows * shape.Inner), Values(shape.Columns * shape.Inner),
            new float[shape.Rows * shape.Columns], shape, threadCount: 1);
    }

    public static Command Create()
    {
        Option<string[]> shapes = new("--shape")
        {
            Description = "Use only these shapes, and only print the table (default: all shapes; the table is saved).",
            HelpName = "NAME",
            AllowMultipleArgumentsPerToken = true,
        };
        Command command = new("costs", "Time every strategy of every scope and compare with the planner's predictions.")
        {
            shapes,
        };
        command.SetAction(parsed => new CostsCommand().Run(parsed.GetValue(shapes) ?? []));
        return command;
    }

    /// <summary>The shapes of <c>peers</c>, and the first shape with only one scope, a window.</summary>
    private static IEnumerable<PeerShape> Shapes() => PeerShape.All.Concat(s_windowSides.Select(side =>
        PeerShape.All[0] with
        {
            Name = string.Create(CultureInfo.InvariantCulture, $"window-{side}"),
            Scopes = [string.Create(CultureInfo.InvariantCulture,
                $$"""{ "name": "window", "prior": "window", "window": [{{side}}, {{side}}] }""")],
        }));

    private static float[] Values(int count)
    {
        Random random = new(1);
        return [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() - 0.5f)];
    }

    private void Run(string[] shapeNames)
    {
        foreach (PeerShape shape in Shapes())
            if (shapeNames.Length == 0 || shapeNames.Contains(shape.Name))
                AddShape(shape);
        string markdown = new CostReport(_scopes).ToMarkdown(Machine.Describe(_variant.Name, "costs"));
        Console.WriteLine(markdown);
        if (shapeNames.Length > 0)
            return;
        string folder = Machine.ResultsFolder(_variant.Name);
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "costs.md"), markdown);
    }

    private void AddShape(PeerShape shape)
    {
        PerfModel perfModel = PerfModel.Of(shape);
        using ResamplerModel model = ResamplerModel.Open(perfModel.Folder);
        Planner planner = new(model.Config, model.Weights.KeyValueInput is not null, _variant.Costs);
        foreach (StrategyChoice choice in planner.Choices(shape.Grid))
            _scopes.Add(Measure(perfModel, model, choice));
    }

    private ScopeCosts Measure(PerfModel perfModel, ResamplerModel model, StrategyChoice choice)
    {
        PeerShape shape = perfModel.Shape;
        int scope = choice.Scopes[0];
        string name = model.Config.Scopes[scope].Name;
        float[] features = perfModel.Features(batch: 1);
        PatchGrid[] grids = perfModel.Grids(batch: 1);
        float[][] tokens = [.. choice.Alternatives.Select(_ => perfModel.Tokens(batch: 1))];
        ModelEngine[] engines = [.. choice.Alternatives.Select(alternative => _variant.Create(model,
            new ResamplerOptions { ThreadCount = 1 },
            other => other.Scopes[0] == scope ? alternative.Strategy : other.Cheapest))];
        Action[] calls = [.. engines.Select((engine, index) => (Action)(() =>
            engine.Resample(features, grids, tokens[index], CancellationToken.None)))];
        foreach (Action call in calls)
            call();
        for (int index = 1; index < calls.Length; index++)
            Agreement.Check(tokens[index], tokens[0],
                $"{shape.Name}, {name}, {choice.Alternatives[index].Strategy}");

        Spread[] times = Alternation.Measure(s_duration, [_gemm, .. calls]);
        foreach (ModelEngine engine in engines)
            engine.Dispose();
        double gflops = GemmShape.KeysAndValues.Flops / times[0].Median / 1e6;
        ScopeCosts costs = new(shape.Name, name, ScopeWindows.Resolve(model.Config.Scopes[scope],
            model.Config.QueryGrid, shape.Grid).PairCount, gflops, choice.Cheapest,
            [.. choice.Alternatives.Select((alternative, index) =>
                new CostRow(alternative.Strategy, alternative.Cost / gflops / 1e6, times[index + 1]))]);
        Console.Error.WriteLine($"{shape.Name}, {name}: chosen {costs.Chosen}, fastest {costs.Fastest.Strategy}, " +
            $"loss {costs.Regret:0.0%}");
        return costs;
    }
}
