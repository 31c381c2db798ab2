using MsResampler.Safetensors;

namespace MsResampler.Tests.Model;

/// <summary>Writes the tensors of a model to a file and opens the model.</summary>
internal static class BoundWeights
{
    public static ResamplerConfig GatedConfig { get; } = Configs.Of(Configs.Gaussian(1, 2), Configs.None);

    public static ResamplerConfig SingleConfig { get; } = Configs.Of(Configs.None);

    public static List<TensorToWrite> Tensors(ResamplerConfig config, RandomModelOptions? options = null,
        ulong seed = 1)
        => [.. RandomModel.CreateTensors(config, seed, options ?? new())
            .Select(tensor => tensor.ToWrite(TensorType.F32))];

    public static TensorToWrite Zeros(string name, params long[] shape)
        => new(name, TensorType.F32, shape, (_, values) => values.Clear());

    public static List<TensorToWrite> Replace(List<TensorToWrite> tensors, TensorToWrite tensor)
        => [.. tensors.Where(other => other.Name != tensor.Name), tensor];

    public static T Open<T>(ResamplerConfig config, IEnumerable<TensorToWrite> tensors, Func<ResamplerModel, T> use,
        Dictionary<string, string>? metadata = null)
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.File(ResamplerModel.ConfigFileName), ConfigJson.Of(config));
        SafetensorsWriter.Write(folder.File("model.safetensors"), tensors, metadata);
        using ResamplerModel model = ResamplerModel.Open(folder.Path);
        return use(model);
    }

    public static string Prefix(ResamplerConfig config, IEnumerable<TensorToWrite> tensors)
        => Open(config, tensors, model => model.TensorPrefix);

    public static IReadOnlyList<string> Problems(ResamplerConfig config, IEnumerable<TensorToWrite> tensors)
        => Assert.Throws<InvalidModelException>(() => Prefix(config, tensors))!.Problems;

    public static IReadOnlyList<string> Warnings(ResamplerConfig config, IEnumerable<TensorToWrite> tensors)
        => Open(config, tensors, model => model.Warnings);

    public static List<TensorToWrite> Rename(ResamplerConfig config, Func<string, string> rename, ulong seed = 1)
        => [.. RandomModel.CreateTensors(config, seed, new())
            .Select(tensor => (tensor with { Name = rename(tensor.Name) }).ToWrite(TensorType.F32))];

    public static float[] Tokens(ResamplerConfig config, IEnumerable<TensorToWrite> tensors,
        Dictionary<string, string>? metadata = null) => Open(config, tensors, model =>
    {
        using Resampler resampler = Resampler.Load(model, new ResamplerOptions { ThreadCount = 1 });
        PatchGrid grid = new(4, 3);
        float[] features = [.. Enumerable.Range(0, 12 * config.VisionHiddenSize).Select(index => MathF.Sin(index))];
        float[] tokens = new float[config.QueryGrid.QueryCount * config.OutputSize];
        resampler.Resample(features, [grid], tokens);
        return tokens;
    }, metadata);
}
