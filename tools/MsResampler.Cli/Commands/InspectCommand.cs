using System.CommandLine;
using System.Globalization;
using MsResampler.Cli.Display;
using MsResampler.Cli.Engines;
using MsResampler.Cpu;
using MsResampler.Model;
using MsResampler.Planning;
using MsResampler.Safetensors;

namespace MsResampler.Cli.Commands;

/// <summary><c>inspect</c>: what a model is made of.</summary>
internal static class InspectCommand
{
    private const int PictureGap = 4;
    private const string Margin = "  ";

    public static Command Create(Terminal terminal)
    {
        Argument<string?> path = new("PATH")
        {
            Description = "A model folder; or a .safetensors file or its index, to list tensors only.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        Option<string?> model = new("--model")
        {
            Description = "The same, as other commands take it.",
            HelpName = "PATH",
        };
        Option<PatchGrid?> grid = Options.Grid("The patch grid that scopes and the plan are shown for.",
            new PatchGrid(24, 24));
        ExampleCommand command = new("inspect",
            "Show a model's configuration, scopes, tensors, parameters, and what a plan computes.")
        {
            Examples =
            [
                "msresampler inspect model",
                "msresampler inspect model --grid 16x32",
                "msresampler inspect model/model.safetensors",
            ],
        };
        command.Arguments.Add(path);
        command.Options.Add(model);
        command.Options.Add(grid);
        command.SetAction(parsed =>
        {
            (string? first, string? second) = (parsed.GetValue(path), parsed.GetValue(model));
            if (first is null == second is null)
            {
                throw new InputException("expected one PATH, found " + (first is null ? "none" : $"'{first}' and --model " +
                    $"{second}") + " (see msresampler inspect --help)");
            }

            Run((first ?? second)!, parsed.GetValue(grid)!.Value, terminal);
            return ExitCode.Done;
        });
        return command;
    }

    private static void Run(string path, PatchGrid grid, Terminal terminal)
    {
        if (File.Exists(path))
        {
            using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(path);
            foreach (string warning in checkpoint.Warnings)
                terminal.Warn(warning);
            WriteTensors(checkpoint, terminal);
            return;
        }

        if (!Directory.Exists(path))
            throw new InputException($"{path}: there is no such file or folder");
        using ResamplerModel model = TokenEngine.OpenModel(path, terminal);
        WriteConfig(model, terminal);
        WriteScopes(model, grid, terminal);
        WriteTensors(model.Checkpoint, terminal);
        WritePlan(model, grid, terminal);
    }

    private static void WriteConfig(ResamplerModel model, Terminal terminal)
    {
        ResamplerConfig config = model.Config;
        PositionEmbeddingConfig position = config.PositionEmbedding;
        terminal.Heading("Configuration");
        terminal.Table(["field", "value"],
        [
            ["patch features (C)", Number(config.VisionHiddenSize)],
            ["width (D)", $"{Number(config.HiddenSize)} in {config.AttentionHeadCount} heads of " +
                $"{config.HeadSize}"],
            ["queries (M)", $"{config.QueryGrid} = {Number(config.QueryGrid.QueryCount)}, " +
                (config.ShareQueries ? "shared by the scopes" : "for each scope")],
            ["tokens (L)", Number(config.OutputSize)],
            ["keys and values", config.ShareKeyValues ? "shared by the scopes" : "for each scope"],
            ["positions", position.Type == PositionEmbeddingType.None ? "none"
                : $"{(position.Type == PositionEmbeddingType.Stored ? "stored" : "sincos2d")}, on " +
                    $"{Where(position)}"],
            ["gate", config.Gate is { } gate
                ? $"mlp of {Number(gate.HiddenSize)}, one weight per " +
                    $"{(gate.Granularity == GateGranularity.Head ? "head" : "token")}"
                : "none: one scope"],
            ["layer norm epsilon",
                config.LayerNormEpsilon.ToString("0.###e-00", CultureInfo.InvariantCulture)],
            ["tensor name prefix", model.TensorPrefix.Length == 0 ? "none" : model.TensorPrefix],
        ]);
    }

    private static string Where(PositionEmbeddingConfig position) => (position.Keys, position.Queries) switch
    {
        (true, true) => "keys and queries",
        (true, false) => "keys",
        (false, true) => "queries",
        _ => "nothing",
    };

    private static void WriteScopes(ResamplerModel model, PatchGrid grid, Terminal terminal)
    {
        ResamplerConfig config = model.Config;
        QueryGrid queries = config.QueryGrid;
        (int Row, int Column) middle = (queries.Rows / 2, queries.Columns / 2);
        terminal.Heading($"Scopes on {grid} patches: what the query in the middle {middle} and in the " +
            "corner (0, 0) see");
        for (int index = 0; index < config.Scopes.Count; index++)
        {
            ScopeConfig scope = config.Scopes[index];
            ScopeWindows windows = ScopeWindows.Resolve(scope, queries, grid);
            WeightTensor? learned = model.Weights.Scopes[index].LogSigma;
            ScopeBias bias = new(scope, windows, queries, learned is null ? null : MeanOfHeads(learned.ToDouble()));
            double share = (double)windows.PairCount / queries.QueryCount / grid.PatchCount;
            terminal.Line();
            terminal.Line($"{index} {scope.Name}: {ScopeText.Describe(scope)}; a query sees " +
                $"{Quantity.Percent(share)} of the patches" +
                (learned is null ? "" : " (sigma learned per head; drawn: their geometric mean)"));
            int cellWidth = Margin.Length + (4 * grid.Columns) + PictureGap <= Math.Min(terminal.Width, 132) ? 2 : 1;
            IReadOnlyList<string> first = ScopePicture.Draw(bias, grid, middle, cellWidth);
            IReadOnlyList<string> second = ScopePicture.Draw(bias, grid, (0, 0), cellWidth);
            foreach ((string left, string right) in first.Zip(second))
                terminal.Line($"{Margin}{left}{new string(' ', PictureGap)}{right}");
        }
    }

    /// <summary>The logarithms of one head's sigmas that stand for all.</summary>
    private static double[] MeanOfHeads(double[] logs)
        => [.. Enumerable.Range(0, 2).Select(axis => logs.Where((_, index) => index % 2 == axis).Average())];

    private static void WriteTensors(SafetensorsCheckpoint checkpoint, Terminal terminal)
    {
        terminal.Heading($"Tensors of {checkpoint.SourcePath}");
        terminal.Table(["name", "type", "shape", ">bytes"],
        [
            .. checkpoint.Tensors.Select(tensor => (IReadOnlyList<string>)
            [
                tensor.Name,
                tensor.Type.ToString(),
                $"[{string.Join(", ", tensor.Shape)}]",
                Quantity.Count(tensor.ByteCount),
            ]),
        ]);
        terminal.Line($"{Number(checkpoint.Tensors.Count)} tensors, " +
            $"{Quantity.Count(checkpoint.Tensors.Sum(tensor => tensor.ElementCount))} " +
            $"parameters, {Quantity.Scaled(checkpoint.Tensors.Sum(tensor => tensor.ByteCount))}B");
    }

    private static void WritePlan(ResamplerModel model, PatchGrid grid, Terminal terminal)
    {
        ResamplerConfig config = model.Config;
        CpuVariant variant = CpuVariant.Choose();
        ExecutionPlan plan = new Planner(config, model.Weights.KeyValueInput is not null, variant.Costs).Plan(grid);
        terminal.Heading($"Plan for one image of {grid} patches on cpu, {variant}: {Quantity.Scaled(plan.Flops)}FLOP " +
            $"in place of {Quantity.Scaled(plan.NaiveFlops)}FLOP, {Quantity.Digits(plan.NaiveFlops / plan.Flops)} " +
            "times fewer");
        terminal.Table(["scope", ">window", ">pairs", ">computed", "keys", "values", ">tiles"],
        [
            .. plan.Scopes.Select((scope, index) => (IReadOnlyList<string>)
            [
                $"{index} {config.Scopes[index].Name}",
                $"{scope.Windows.Rows.Max(range => range.Count)}x{scope.Windows.Columns.Max(range => range.Count)}",
                Quantity.Count(scope.Windows.PairCount),
                Quantity.Count(scope.Keys == ProjectionStrategy.Absorbed ? scope.Windows.PairCount
                    : scope.Tiles.Sum(tile => (long)tile.LaneCount * tile.KeyCount)),
                Name(scope.Keys),
                Name(scope.Values),
                scope.Keys == ProjectionStrategy.Absorbed ? "-" : Number(scope.Tiles.Count),
            ]),
        ]);
        terminal.Line("  window: the most patches a query sees; pairs of a query and a patch: those in");
        terminal.Line("  scope, those computed; projected: formed for every patch; absorbed: moved to");
        terminal.Line("  the query side; tiles: of queries");
        terminal.Line();
        terminal.Table(["stage", ">as written", ">executed"],
        [
            .. plan.Stages.Append(new StageCost("total", plan.Flops, plan.NaiveFlops)).Select(stage =>
                (IReadOnlyList<string>)[stage.Name, Flop(stage.NaiveFlops), Flop(stage.Flops)]),
        ]);
        terminal.Line("  additions and multiplications; as written: every patch projected for every");
        terminal.Line("  scope, every query against every patch");
    }

    private static string Name(ProjectionStrategy strategy)
        => strategy == ProjectionStrategy.Projected ? "projected" : "absorbed";

    private static string Flop(double flops) => flops == 0 ? "-" : Quantity.Scaled(flops).TrimEnd();

    private static string Number(int value) => Quantity.Count(value);
}
