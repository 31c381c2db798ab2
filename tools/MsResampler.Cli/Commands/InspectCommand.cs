using System.CommandLine;
using System.Globalization;
using MsResampler.Cpu;
using MsResampler.Gguf;
using MsResampler.Planning;
using MsResampler.Safetensors;

namespace MsResampler.Cli.Commands;

/// <summary>The command <c>inspect</c>: shows the parts of a model.</summary>
internal static class InspectCommand
{
    private const int PictureGap = 4;
    private const string Margin = "  ";

    public static Command Create(Terminal terminal)
    {
        Argument<string?> path = new("PATH")
        {
            Description = "A model (see run --model), or another .safetensors file, whose tensors are listed.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        Option<string?> model = Options.OptionalPath("--model", "PATH", "The same as PATH.");
        Option<CheckpointLayout?> layout = Options.Layout();
        Option<ModelLayers?> int8Layers = Options.Int8Layers("For the bytes in int8");
        Option<PatchGrid?> grid = Options.Grid("The patch grid of the scopes and the plan.", new PatchGrid(24, 24));
        ExampleCommand command = new("inspect",
            "Show the configuration, scopes and tensors of a model, and its execution plan.")
        {
            Examples =
            [
                "msresampler inspect model",
                "msresampler inspect model --grid 16x32",
                "msresampler inspect MiniCPM-V-2_6",
                "msresampler inspect model/model.safetensors",
            ],
            Arguments = { path },
            Options = { model, layout, grid, int8Layers },
        };
        command.SetAction(parsed =>
        {
            (string? first, string? second) = (parsed.GetValue(path), parsed.GetValue(model));
            if (first is null == second is null)
            {
                throw new InputException("expected one PATH, found " +
                    (first is null ? "none" : $"'{first}' and --model {second}") + " (see msresampler inspect --help)");
            }

            Run((first ?? second)!, parsed.GetValue(layout), parsed.GetValue(grid)!.Value,
                parsed.GetValue(int8Layers), terminal);
            return ExitCode.Done;
        });
        return command;
    }

    private static void Run(string path, CheckpointLayout? layout, PatchGrid grid, ModelLayers? int8Layers,
        Terminal terminal)
    {
        bool isFolder = Directory.Exists(path);
        if (!isFolder && !File.Exists(path))
            throw new InputException($"{path}: there is no such file or folder");
        if (isFolder || layout is not null || GgufFile.IsGguf(path) || IsModel(path))
        {
            using ResamplerModel model = TokenEngine.OpenModel(path, layout, terminal);
            WriteConfig(model, terminal);
            WriteScopes(model, grid, terminal);
            WriteTensors(model, IntegerTypes.Int8LayersOf(int8Layers, model.Weights), terminal);
            WritePlan(model, grid, terminal);
            return;
        }

        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(path);
        foreach (string warning in checkpoint.Warnings)
            terminal.Warn(warning);
        WriteTensors($"Tensors of {path}", checkpoint.Tensors, terminal);
    }

    private static bool IsModel(string path)
    {
        try
        {
            using ResamplerModel model = ResamplerModel.Open(path);
            return true;
        }
        catch (Exception exception) when (exception is InvalidModelException or FileNotFoundException)
        {
            return false;
        }
    }

    private static void WriteConfig(ResamplerModel model, Terminal terminal)
    {
        ResamplerConfig config = model.Config;
        PositionEmbeddingConfig position = config.PositionEmbedding;
        bool isOwn = model.Layout == CheckpointLayout.MsResampler;
        terminal.Heading("Configuration");
        terminal.Table(["field", "value", "from"],
        [
            ["layout", isOwn ? model.Layout.Name : $"{model.Layout} ({model.Layout.Title})", model.LayoutReason],
            ["channels of a patch (C)", Number(config.VisionHiddenSize),
                From(model.Weights.KeyValueInput is null ? "D, as there is no kv_proj" : "kv_proj.weight [D, C]")],
            ["width (D)", $"{Number(config.HiddenSize)} in {config.AttentionHeadCount} heads of {config.HeadSize}",
                From("query [M, D]; heads of this layout")],
            ["queries (M)", $"{config.QueryGrid} = {Number(config.QueryGrid.QueryCount)}, " +
                (config.ShareQueries ? "shared by the scopes" : "separate for each scope"),
                From("query [M, D]; the squarest grid")],
            ["size of a token (L)", Number(config.OutputSize), From("proj [D, L]")],
            ["keys and values", config.ShareKeyValues ? "shared by the scopes" : "separate for each scope",
                From("layout")],
            ["positions of keys", NameOf(position.Keys), From("layout")],
            ["positions of queries", NameOf(position.Queries), From("layout")],
            ["positions of frames", position.Frames == FrameEmbeddingType.None ? "none" : "sincos1d", From("layout")],
            ["gate", config.Gate is { } gate
                ? $"mlp with hidden size {Number(gate.HiddenSize)}, one weight per scope and " +
                    $"{(gate.Granularity == GateGranularity.Head ? "head" : "token")}"
                : "none, because there is one scope", From("layout")],
            ["layer norm epsilon", config.LayerNormEpsilon.ToString("0.###e-00", CultureInfo.InvariantCulture),
                From("layout")],
            ["tensor name prefix", model.TensorPrefix.Length == 0 ? "none" : model.TensorPrefix, "tensor names"],
        ]);

        string From(string source) => isOwn ? ResamplerModel.ConfigFileName : source;
    }

    private static string NameOf(PositionEmbeddingType type) => type switch
    {
        PositionEmbeddingType.SinCos2D => "sincos2d",
        PositionEmbeddingType.Stored => "stored",
        _ => "none",
    };

    private static void WriteScopes(ResamplerModel model, PatchGrid grid, Terminal terminal)
    {
        ResamplerConfig config = model.Config;
        QueryGrid queries = config.QueryGrid;
        (int Row, int Column) middle = (queries.Rows / 2, queries.Columns / 2);
        terminal.Heading($"Scopes on {grid} patches. Left: the patches that the middle query {middle} sees. Right: " +
            "those of the corner query (0, 0)");
        for (int index = 0; index < config.Scopes.Count; index++)
        {
            ScopeConfig scope = config.Scopes[index];
            ScopeWindows windows = ScopeWindows.Resolve(scope, queries, grid);
            WeightTensor? learned = model.Weights.Scopes[index].LogSigma;
            ScopeBias bias = new(scope, windows, queries, learned is null ? null : MeanOfHeads(learned.ToDouble()));
            double share = VisiblePairs(bias, queries, grid) / queries.QueryCount / grid.PatchCount;
            terminal.Line();
            terminal.Line($"{index} {scope.Name}: {ScopeText.Describe(scope)}; on average a query sees " +
                $"{Quantity.Percent(share)} of the patches" +
                (learned is null ? "" : " (sigma is learned per head; the picture shows the geometric mean)"));
            int cellWidth = Margin.Length + (4 * grid.Columns) + PictureGap <= Math.Min(terminal.Width, 132) ? 2 : 1;
            IReadOnlyList<string> first = ScopePicture.Draw(bias, grid, middle, cellWidth);
            IReadOnlyList<string> second = ScopePicture.Draw(bias, grid, (0, 0), cellWidth);
            foreach ((string left, string right) in first.Zip(second))
                terminal.Line($"{Margin}{left}{new string(' ', PictureGap)}{right}");
        }
    }

    /// <summary>Pairs of a query and a patch that it sees.</summary>
    private static double VisiblePairs(ScopeBias bias, QueryGrid queries, PatchGrid grid)
    {
        return Visible(queries.Rows, grid.Rows, bias.Row) * Visible(queries.Columns, grid.Columns, bias.Column);

        static double Visible(int queryCount, int patchCount, Func<int, int, int, double> part)
            => Enumerable.Range(0, queryCount).Sum(query
                => Enumerable.Range(0, patchCount).Count(patch => !double.IsNegativeInfinity(part(query, 0, patch))));
    }

    /// <summary>The mean over the heads of the logarithms of sigma, for rows and columns.</summary>
    private static double[] MeanOfHeads(double[] logs)
        => [.. Enumerable.Range(0, 2).Select(axis => logs.Where((_, index) => index % 2 == axis).Average())];

    private static void WriteTensors(ResamplerModel model, ModelLayers int8Layers, Terminal terminal)
    {
        string heading = $"Tensors of {model.SourcePath}";
        if (model.Layout == CheckpointLayout.MsResampler)
        {
            WriteTensors(heading, model.Tensors, terminal);
            WeightTable.Write(model, model.Tensors, int8Layers, terminal);
            return;
        }

        HashSet<string> names = [.. TensorsOf(model.Weights).Select(tensor => tensor.Name)];
        TensorInfo[] own = [.. model.Tensors.Where(tensor => names.Contains(tensor.Name))];
        WriteTensors($"{heading} that the resampler has", own, terminal);
        if (model.Tensors.Count > names.Count)
            terminal.Line($"  {Number(model.Tensors.Count - names.Count)} other tensors are not read");
        WeightTable.Write(model, own, int8Layers, terminal);
    }

    /// <summary>The weights of a model with one scope.</summary>
    private static IEnumerable<WeightTensor> TensorsOf(ResamplerWeights weights)
    {
        ScopeWeights scope = weights.Scopes[0];
        NormWeights[] norms = [weights.KeyValueNorm, weights.QueryNorm, weights.PostNorm];
        LinearWeights[] layers =
        [
            scope.QueryProjection, scope.KeyProjection, scope.ValueProjection, scope.OutputProjection,
            weights.Projection,
        ];
        IEnumerable<WeightTensor?> tensors =
        [
            weights.KeyValueInput, weights.PositionTable, scope.Queries,
            .. norms.SelectMany(norm => new[] { norm.Weight, norm.Bias }),
            .. layers.SelectMany(layer => new[] { layer.Weight, layer.Bias }),
        ];
        return tensors.OfType<WeightTensor>();
    }

    private static void WriteTensors(string heading, IReadOnlyList<TensorInfo> tensors, Terminal terminal)
    {
        terminal.Heading(heading);
        terminal.Table(["name", "type", "shape", ">bytes"],
        [
            .. tensors.Select(tensor => (IReadOnlyList<string>)
            [
                tensor.Name,
                tensor.Type.ToString(),
                $"[{string.Join(", ", tensor.Shape)}]",
                Quantity.Count(tensor.ByteCount),
            ]),
        ]);
        terminal.Line($"{Number(tensors.Count)} tensors, " +
            $"{Quantity.Count(tensors.Where(tensor => !IntegerTypes.IsScaleName(tensor.Name))
                .Sum(tensor => tensor.ElementCount))} " +
            $"parameters, {Quantity.Scaled(tensors.Sum(tensor => tensor.ByteCount))}B");
    }

    private static void WritePlan(ResamplerModel model, PatchGrid grid, Terminal terminal)
    {
        ResamplerConfig config = model.Config;
        CpuVariant variant = CpuVariant.Choose();
        ExecutionPlan plan = new Planner(config, model.Weights.KeyValueInput is not null, variant.Costs).Plan(grid);
        terminal.Heading($"Plan for one image of {grid} patches on cpu, {variant}: {Quantity.Scaled(plan.Flops)}FLOP " +
            $"instead of {Quantity.Scaled(plan.NaiveFlops)}FLOP as written, a factor of " +
            Quantity.Digits(plan.NaiveFlops / plan.Flops));
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
        terminal.Line("  window: largest number of patches of a query; pairs: pairs of a query and a patch");
        terminal.Line("  in its window; computed: pairs that the engine computes; projected: computed for");
        terminal.Line("  every patch; absorbed: multiplied into the queries instead; tiles: blocks of queries");
        terminal.Line();
        terminal.Table(["stage", ">as written", ">executed"],
        [
            .. plan.Stages.Append(new StageCost("total", plan.Flops, plan.NaiveFlops)).Select(stage =>
                (IReadOnlyList<string>)[stage.Name, Flop(stage.NaiveFlops), Flop(stage.Flops)]),
        ]);
        terminal.Line("  Additions and multiplications. As written: every patch is projected for every");
        terminal.Line("  scope, and every query looks at every patch.");
    }

    private static string Name(ProjectionStrategy strategy)
        => strategy == ProjectionStrategy.Projected ? "projected" : "absorbed";

    private static string Flop(double flops) => flops == 0 ? "-" : Quantity.Scaled(flops).TrimEnd();

    private static string Number(int value) => Quantity.Count(value);
}
