using System.CommandLine;
using ImageSize = MsResampler.Vision.ImageSize;

namespace MsResampler.Cli.Commands;

/// <summary>The command <c>run</c>: computes the tokens of images or of features.</summary>
internal static class RunCommand
{
    private const int DefaultPatchSize = 14;
    private const int DefaultImageSide = 336;
    private const int MaxPatchSize = 1_024;

    // Limits of the images or frames in memory together: enough to keep every thread busy.
    // 2^25 floats are 128 MiB; a decoded photograph of 12 megapixels is 48 MiB.
    private const int MaxChunkFrameCount = 64;
    private const long MaxChunkElementCount = 1L << 25;

    private const int MaxListedGridCount = 4;

    public static Command Create(Terminal terminal, CancellationToken cancellationToken)
    {
        Option<string> model = Options.Model();
        Option<CheckpointLayout?> layout = Options.Layout();
        Option<string[]> features = new("--features")
        {
            Description = "Patch features of an encoder, as .safetensors or .npy; several files are one batch.",
            HelpName = "FILE...",
            AllowMultipleArgumentsPerToken = true,
            Arity = ArgumentArity.OneOrMore,
        };
        Option<PatchGrid?> grid = Options.Grid("With --features: the patch grid of every image.", isRequired: false);
        Option<bool> dropClassToken = new("--drop-class-token")
        {
            Description = "With --grid: skip the first row of every image, a class token.",
        };
        Option<string[]> images = new("--image")
        {
            Description = "Pictures (PNG, JPEG, WebP) whose pixels are the features; several files are one batch.",
            HelpName = "FILE...",
            AllowMultipleArgumentsPerToken = true,
            Arity = ArgumentArity.OneOrMore,
        };
        Option<int> patch = Options.Int("--patch", "With --image: the side of a patch in pixels.", DefaultPatchSize, 1,
            MaxPatchSize);
        Option<ImageSize> size = Options.Size(DefaultImageSide);
        Option<string?> temporalIds = new("--temporal-ids")
        {
            Description = "Groups of frames, as in video, in JSON: each inner list takes the next images as its " +
                "frames and gives one output; -1 is a frame without a time.",
            HelpName = "LISTS",
        };
        Option<string> output = Options.Path("--out", "FILE",
            "The file for the tokens: .safetensors (tensor 'tokens'), .npy or .pt (PyTorch); [B,M,L] or [groups,M,L].");
        Option<WeightType?> type = Options.ElementType("The type of the tokens in the file (default: f32).");
        EngineOptions engine = new(BackendChoice.Auto, BackendChoice.Cpu, BackendChoice.Cuda, BackendChoice.Reference);
        Option<string?> maps = Options.OptionalPath("--maps", "DIR",
            "Also write maps of the attention of each scope and of the gate to this folder, as PNG.");
        ExampleCommand command = new("run",
            "Compute the visual tokens of images or groups of frames, from features or pictures.")
        {
            Notes =
            [
                "--features: a safetensors file has a tensor 'features' [H,W,C] or [B,H,W,C], or tensors",
                "  'features.0', 'features.1', ... [H,W,C], whose grids may differ. A .npy file has an array",
                "  [H,W,C] or [B,H,W,C], float32 or float16 in C order. H x W is the patch grid, C the number",
                "  of channels. With --grid, shapes may also be [N,C] or [B,N,C] with N = H x W patches.",
                "  Some shapes can be read as [H,W,C] and as [B,N,C]. They need --grid: shapes with one row",
                "  (--grid 1xN), and shapes with as many columns as a square grid has patches (196, 256,",
                "  576, ...), with or without a class token.",
                "--image: a picture is rotated upright, drawn over white, resized to --size (bicubic,",
                "  antialiased) and cut into patches of --patch pixels. The feature of a patch is its pixels,",
                "  (v/255 - 0.5)/0.5, in the order channel, row, column. The model's vision_hidden_size must",
                "  be 3 x patch x patch, 588 for 14.",
                "--temporal-ids: the tokens of a group are computed from the patches of all its frames, and the",
                "  output has one entry for each group. The lists together must have one id for each image.",
                "  The ids have an effect only in models with positions in time. Their unit is that of the",
                "  model: for MiniCPM-V 4.5 a tenth of a second.",
            ],
            Examples =
            [
                "msresampler run --model model --image photo.jpg --out tokens.safetensors --maps maps",
                "msresampler run --model model --image a.png b.webp --size 448x336 --out tokens.npy",
                "msresampler run --model model --features features.npy --out tokens.safetensors --threads 4",
                "msresampler run --model model --features features.npy --out tokens.npy --precision int8",
                "msresampler run --model model --features clip.npy --grid 24x24 --drop-class-token --out tokens.npy",
                "msresampler run --model model --features video.npy --temporal-ids '[[-1],[2,6,9]]' --out tokens.npy",
            ],
            Options =
            {
                model, layout, features, grid, dropClassToken, images, patch, size, temporalIds, output, type,
                engine.Backend, engine.Device, engine.Precision, engine.Int8Layers,
                engine.WeightStorage, engine.Threads, maps,
            },
        };
        command.SetAction(parsed =>
        {
            string[] featureFiles = parsed.GetValue(features) ?? [];
            string[] imageFiles = parsed.GetValue(images) ?? [];
            if (featureFiles.Length == 0 == (imageFiles.Length == 0))
                throw new InputException("expected --features or --image, found " +
                    (featureFiles.Length == 0 ? "neither" : "both") + " (see msresampler run --help)");
            bool hasImages = imageFiles.Length > 0;
            foreach ((Option option, bool isForImages) in (ReadOnlySpan<(Option, bool)>)
                [(patch, true), (size, true), (grid, false), (dropClassToken, false)])
            {
                if (isForImages != hasImages && parsed.GetResult(option) is { Implicit: false })
                {
                    throw new InputException(
                        $"{option.Name} can only be used with {(isForImages ? "--image" : "--features")}");
                }
            }

            FeatureLayout featureLayout = new(parsed.GetValue(grid), parsed.GetValue(dropClassToken));
            if (featureLayout is { DropClassToken: true, Grid: null })
                throw new InputException("--drop-class-token needs --grid, the grid of the patches after the token");
            Run(new RunRequest
            {
                Model = parsed.GetRequiredValue(model),
                Layout = parsed.GetValue(layout),
                OpenSource = () => !hasImages
                    ? FeatureFile.Open(featureFiles, featureLayout)
                    : ImageFeatures.Open(imageFiles, parsed.GetValue(patch), parsed.GetValue(size)),
                TemporalIds = ReadTemporalIds(parsed.GetValue(temporalIds)),
                Output = parsed.GetRequiredValue(output),
                OutputType = WeightTypes.TensorTypeOf(parsed.GetValue(type) ?? WeightType.Float32),
                InputFiles = hasImages ? imageFiles : featureFiles,
                Engine = engine.Read(parsed),
                MapFolder = parsed.GetValue(maps),
            }, terminal, cancellationToken);
            return ExitCode.Done;
        });
        return command;
    }

    private static int[][]? ReadTemporalIds(string? text)
    {
        if (text is null)
            return null;
        return TemporalIds.TryParse(text, out int[][]? ids, out string? problem) ? ids
            : throw new InputException($"--temporal-ids: {problem}");
    }

    /// <summary>Runs the model. Returns the paths of the maps.</summary>
    public static IReadOnlyList<string> Run(RunRequest request, Terminal terminal,
        CancellationToken cancellationToken)
    {
        TokenFile.CheckName(request.Output, request.OutputType);
        Inputs inputs = new Inputs().AddModel(request.Model);
        foreach (string path in request.InputFiles)
            inputs.Add(path);
        inputs.Check(request.Output);
        if (File.Exists(request.MapFolder))
            throw new InputException($"{request.MapFolder}: this is a file; --maps expects a folder");
        using IFeatureSource source = request.OpenSource();
        InputGroups groups = new(source, request.TemporalIds);
        using ITokenEngine engine = TokenEngine.Open(request.Model, request.Layout, request.Engine, terminal);
        CheckChannels(source, engine.Config, request.Model);

        ResamplerConfig config = engine.Config;
        CheckSizes(groups, config, request);
        if (groups.HasTimes && config.PositionEmbedding.Frames == FrameEmbeddingType.None)
            terminal.Warn($"{request.Model}: the model has no positions in time, so the ids of --temporal-ids only " +
                "group the frames");
        TimeSpan callTime = TimeSpan.Zero;
        List<string> maps = [];
        using TokenFile file = TokenFile.Create(request.Output, request.OutputType, groups.Count,
            config.QueryGrid.QueryCount, config.OutputSize, inputs);
        using OutputFolder? mapFolder = request.MapFolder is null
            ? null : new OutputFolder(request.MapFolder, "--maps", inputs);
        terminal.Track(groups.AreImages ? "images" : "groups", groups.Count, progress =>
        {
            RunBuffers buffers = new();
            for (int first = 0; first < groups.Count;)
            {
                int end = ChunkEnd(groups, config, first);
                RunChunk chunk = new(groups, engine, first, end, buffers);
                file.Append(chunk.Resample(request.Engine.ThreadCount, cancellationToken), groups.Describe);
                callTime += chunk.CallTime;
                if (mapFolder is not null)
                    maps.AddRange(chunk.DrawMaps(mapFolder, cancellationToken));
                progress.Report(end);
                first = end;
            }
        });
        file.Commit(cancellationToken);
        mapFolder?.Commit();

        terminal.Line($"{groups}{DescribeGrids(source.Grids)} patches -> tokens " +
            $"[{groups.Count}, {config.QueryGrid.QueryCount}, {config.OutputSize}] in {request.Output} " +
            $"({Quantity.Duration(callTime)}; {engine.Description})");
        if (maps.Count > 0)
            terminal.Line($"{maps.Count} maps in {request.MapFolder}");
        return maps;
    }

    private static void CheckChannels(IFeatureSource source, ResamplerConfig config, string model)
    {
        if (source.ChannelCount == config.VisionHiddenSize)
            return;
        string mismatch = $"{source.Describe(0)}: features have {source.ChannelCount} channels, but " +
            $"{model} expects vision_hidden_size = {config.VisionHiddenSize}";
        if (source is not ImageFeatures)
        {
            string axes = source.StoredShape switch
            {
                [_, var second, _, _] when second == config.VisionHiddenSize => "0, 2, 3, 1",
                [_, var second, _] when second == config.VisionHiddenSize => "0, 2, 1",
                [var first, _, _] when first == config.VisionHiddenSize => "1, 2, 0",
                _ => "",
            };
            throw new InputException(mismatch + (axes.Length == 0 ? ""
                : $"; the shape is [{string.Join(',', source.StoredShape)}], but channels must come last: save " +
                    $"x.transpose({axes})"));
        }

        int fitting = (int)Math.Round(Math.Sqrt(config.VisionHiddenSize / 3.0));
        throw new InputException(mismatch + (3L * fitting * fitting == config.VisionHiddenSize
            ? $"; use --patch {fitting}"
            : ", which is not 3 x patch x patch for any patch: use --features with the features of an encoder"));
    }

    private static void CheckSizes(InputGroups groups, ResamplerConfig config, RunRequest request)
    {
        foreach (int group in Enumerable.Range(0, groups.Count).DistinctBy(groups.SizeOf))
        {
            string what = groups.DescribeSize(group);
            long patchCount = groups.PatchCountOf(group);
            CallSize.Require(what, config, patchCount);
            if (request.Engine.Backend == BackendChoice.Reference)
                CallSize.RequireReference(what, config, patchCount);
            if (request.MapFolder is not null)
                CallSize.RequireMaps($"--maps for {what}", config, patchCount);
        }
    }

    /// <summary>The end of the groups that are in memory together with group <paramref name="first"/>.</summary>
    private static int ChunkEnd(InputGroups groups, ResamplerConfig config, int first)
    {
        // For each patch: features, keys and values. For each group: tokens.
        long elementsPerPatch = config.VisionHiddenSize + (2L * config.Scopes.Count * config.HiddenSize);
        long elementsPerGroup = (long)config.QueryGrid.QueryCount * config.OutputSize;
        long elements = 0;
        int end = first;
        do
        {
            elements += (groups.PatchCountOf(end) * elementsPerPatch) + elementsPerGroup;
            end++;
        }
        while (end < groups.Count && elements < MaxChunkElementCount
            && groups.FirstFrameOf(end + 1) - groups.FirstFrameOf(first) <= MaxChunkFrameCount);
        return end;
    }

    /// <summary>Lists the grids of the images, largest first, such as ", 24x24 and 16x36".</summary>
    private static string DescribeGrids(IReadOnlyList<PatchGrid> grids)
    {
        string[] names = [.. grids.OrderByDescending(grid => grid.PatchCount).Select(grid => $"{grid}").Distinct()];
        return names.Length switch
        {
            1 => $" of {names[0]}",
            <= MaxListedGridCount => $", {string.Join(", ", names[..^1])} and {names[^1]}",
            _ => $", {names.Length} grids from {names[^1]} to {names[0]}",
        };
    }
}
