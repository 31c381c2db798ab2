using System.Text;
using MsResampler.Reference;
using MsResampler.Safetensors;

namespace MsResampler.TestKit;

/// <summary>A model folder with random weights, some of them replaced, which exists until disposal.</summary>
internal sealed class TestModel : IDisposable
{
    private readonly DirectoryInfo _folder;
    private readonly Lazy<ReferenceResampler> _reference;
    private readonly Lazy<Resampler> _engine;

    /// <summary>Writes and opens a model.</summary>
    /// <param name="config">The configuration to write.</param>
    /// <param name="options">The layout of the checkpoint.</param>
    /// <param name="seed">The seed of the weights.</param>
    /// <param name="edit">Replaces tensors; null keeps them.</param>
    public TestModel(ResamplerConfig config, RandomModelOptions? options = null, ulong seed = 1,
        Func<RandomTensor, RandomTensor>? edit = null)
    {
        _folder = Directory.CreateTempSubdirectory("ms-resampler-test-");
        byte[] json = Encoding.UTF8.GetBytes(ConfigJson.Of(config));
        RandomModel.Write(_folder.FullName, config, json, seed, options);
        if (edit is not null)
        {
            options ??= new();
            SafetensorsWriter.Write(Path.Combine(_folder.FullName, "model.safetensors"), RandomModel
                .CreateTensors(config, seed, options).Select(tensor => edit(tensor).ToWrite(options.Type)));
        }
        Model = ResamplerModel.Open(_folder.FullName);
        _reference = new(() => ReferenceResampler.Load(Model));
        _engine = new(() => Resampler.Load(Model, new ResamplerOptions { Backend = Backend.Cpu }));
    }

    public ResamplerModel Model { get; }

    public ReferenceResampler Reference => _reference.Value;

    public Resampler Engine => _engine.Value;

    /// <summary>Normally distributed features for the model, [N, C].</summary>
    public float[] RandomFeatures(PatchGrid grid, int seed)
    {
        Random random = new(seed);
        float[] features = new float[grid.PatchCount * Model.Config.VisionHiddenSize];
        for (int index = 0; index < features.Length; index++)
            features[index] = (float)(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()))
                * Math.Cos(2 * Math.PI * random.NextDouble()));
        return features;
    }

    public void Dispose()
    {
        if (_engine.IsValueCreated)
            _engine.Value.Dispose();
        Model.Dispose();
        _folder.Delete(recursive: true);
    }
}
