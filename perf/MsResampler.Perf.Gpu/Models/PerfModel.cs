using MsResampler.Safetensors;

namespace MsResampler.Perf.Models;

/// <summary>A random model on disk, kept in the temporary folder between runs.</summary>
/// <param name="Shape">The shape.</param>
/// <param name="Folder">The model folder.</param>
internal sealed record PerfModel(PeerShape Shape, string Folder)
{
    private const ulong Seed = 1;

    /// <summary>Returns the model of a shape. Writes it if it is missing or has another configuration.</summary>
    /// <param name="shape">The shape.</param>
    /// <param name="parent">The folder that contains the model folders; by default one in the temporary
    /// folder.</param>
    /// <param name="type">The element type of the tensors.</param>
    public static PerfModel Of(PeerShape shape, string? parent = null, TensorType type = TensorType.F32)
    {
        string name = type == TensorType.F32 ? shape.Key : $"{shape.Key}-{type.ToString().ToLowerInvariant()}";
        string folder = Path.Combine(parent ?? Path.Combine(Path.GetTempPath(), "ms-resampler-perf"), name);
        byte[] json = shape.ConfigJson();
        string configPath = Path.Combine(folder, ResamplerModel.ConfigFileName);
        if (!File.Exists(configPath) || !File.ReadAllBytes(configPath).AsSpan().SequenceEqual(json))
            RandomModel.Write(folder, ConfigReader.Read(json, shape.Name, new List<string>()), json, Seed,
                new RandomModelOptions { Type = type });
        return new PerfModel(shape, folder);
    }

    /// <summary>Returns a model of the user's.</summary>
    /// <param name="folder">The model folder.</param>
    /// <param name="grid">The patch grid of the images.</param>
    public static PerfModel Open(string folder, PatchGrid grid)
    {
        using ResamplerModel model = ResamplerModel.Open(folder);
        ResamplerConfig config = model.Config;
        string name = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)));
        return new PerfModel(new PeerShape(name, grid, config.VisionHiddenSize, config.HiddenSize,
            config.QueryGrid.Rows, config.OutputSize, config.ShareKeyValues)
        { QueryCount = config.QueryGrid.QueryCount }, folder);
    }

    /// <summary>Features of a batch, [batch, N, C]: uniformly distributed, with mean 0 and variance 1.</summary>
    public float[] Features(int batch)
    {
        Random random = new(1);
        float[] features = new float[batch * Shape.Grid.PatchCount * Shape.VisionWidth];
        for (int index = 0; index < features.Length; index++)
            features[index] = (random.NextSingle() - 0.5f) * MathF.Sqrt(12);
        return features;
    }

    public float[] Tokens(int batch) => new float[batch * Shape.QueryCount * Shape.OutputSize];

    public PatchGrid[] Grids(int batch) => [.. Enumerable.Repeat(Shape.Grid, batch)];
}
