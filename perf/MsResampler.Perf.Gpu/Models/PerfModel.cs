using MsResampler.Model;

namespace MsResampler.Perf.Models;

/// <summary>A shape's random model on disk, kept between runs in the temporary folder.</summary>
/// <param name="Shape">The shape.</param>
/// <param name="Folder">The model folder.</param>
internal sealed record PerfModel(PeerShape Shape, string Folder)
{
    private const ulong Seed = 1;

    /// <summary>The model of a shape, written where it is missing or was written for another
    /// configuration.</summary>
    /// <param name="shape">The shape.</param>
    /// <param name="parent">The folder of model folders; one in the temporary folder when left out.</param>
    public static PerfModel Of(PeerShape shape, string? parent = null)
    {
        string folder = Path.Combine(parent ?? Path.Combine(Path.GetTempPath(), "ms-resampler-perf"), shape.Key);
        byte[] json = shape.ConfigJson();
        string configPath = Path.Combine(folder, ResamplerModel.ConfigFileName);
        if (!File.Exists(configPath) || !File.ReadAllBytes(configPath).AsSpan().SequenceEqual(json))
            RandomModel.Write(folder, ConfigReader.Read(json, shape.Name, new List<string>()), json, Seed);
        return new PerfModel(shape, folder);
    }

    /// <summary>Features of a batch, [batch, N, C]: uniform, with a variance of 1.</summary>
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
