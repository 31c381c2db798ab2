namespace MsResampler.Cli.Commands;

/// <summary>Computes the tokens of images, or of groups of frames, into one file: <c>run --features</c> and
/// <c>run --image</c>.</summary>
internal static class RunImages
{
    // Limits of the images or frames in memory together: enough to keep every thread busy.
    // 2^25 floats are 128 MiB; a decoded photograph of 12 megapixels is 48 MiB.
    private const int MaxChunkFrameCount = 64;
    private const long MaxChunkElementCount = 1L << 25;

    private const int MaxListedGridCount = 4;

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

    /// <summary>Checks that features have the channels of a model.</summary>
    /// <exception cref="InputException">They have not.</exception>
    public static void CheckChannels(IFeatureSource source, ResamplerConfig config, string model)
    {
        if (source.ChannelCount == config.VisionHiddenSize)
            return;
        if (source is EncoderFeatures { Encoder: var encoder })
            throw EncoderChoice.WrongChannels(encoder, config, model);
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
