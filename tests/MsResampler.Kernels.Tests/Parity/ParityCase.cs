namespace MsResampler.Kernels.Tests.Parity;

/// <summary>A random model with a ragged batch, to be compared on a CUDA device, the mock or a real one.</summary>
/// <param name="Config">The model.</param>
/// <param name="Options">The layout of its checkpoint.</param>
/// <param name="Grids">The images.</param>
/// <param name="Seed">The seed of weights and features.</param>
internal sealed record ParityCase(ResamplerConfig Config, RandomModelOptions Options, PatchGrid[] Grids, int Seed)
{
    /// <summary>A model with every kind of scope that takes seconds even on the emulator.</summary>
    public static ParityCase Small { get; } = new(Configs.Mixed, new(), [new PatchGrid(5, 7), new PatchGrid(3, 4)], 1);

    /// <summary>A model as wide as published ones, which small models do not reach: many column tiles, more sums of
    /// squares than one read returns, and more warps in the gate.</summary>
    public static ParityCase PublishedWidth { get; } = new(
        Configs.Of(Configs.Window(4, 4), Configs.Window(12, 12), Configs.None) with
        {
            VisionHiddenSize = 1152,
            HiddenSize = 1152,
            AttentionHeadCount = 16,
            QueryGrid = new QueryGrid(9, 9),
            OutputSize = 3584,
            Gate = new GateConfig(256, GateGranularity.Token),
        }, new(), [new PatchGrid(27, 27)], 1);

    /// <summary>The model and images in one line.</summary>
    public string Description => $"grids {string.Join(", ", Grids)}, {ConfigJson.Of(Config)}";

    /// <summary>One of the random cases.</summary>
    public static ParityCase OfRandom(int index)
    {
        RandomCase @case = new(index);
        return new ParityCase(@case.Config, @case.Options, @case.Grids, index);
    }

    /// <summary>Computes all images in a batch and alone, and compares.</summary>
    public ParityResult Run(Precision precision)
    {
        using TestModel model = Rounding.Model(Config, Options, precision, (ulong)Seed);
        using Resampler resampler = Resampler.Load(model.Model,
            new ResamplerOptions { Backend = CudaBackend.Default, Precision = precision });
        float[][] features =
            [.. Grids.Select((grid, image) => Rounding.Features(model, precision, grid, Seed + image))];
        int length = Config.QueryGrid.QueryCount * Config.OutputSize;
        float[] batch = new float[features.Length * length];
        resampler.Resample(features.SelectMany(values => values).ToArray(), Grids, batch);
        double error = 0;
        bool isSame = true;
        for (int image = 0; image < features.Length; image++)
        {
            float[] alone = new float[length];
            resampler.Resample(features[image], [Grids[image]], alone);
            isSame &= batch.AsSpan(image * length, length).SequenceEqual(alone);
            error = Math.Max(error, Tolerances.RelativeError(alone,
                model.Reference.Resample(features[image], Grids[image])));
        }

        return new ParityResult(error, Rounding.ToleranceOf(precision), isSame, Description);
    }
}
