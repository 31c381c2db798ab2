using MsResampler.Model;
using MsResampler.Reference;
using MsResampler.Tests.Cli;
using NUnit.Framework;

namespace MsResampler.Kernels.Tests.Cuda;

/// <summary>Tests of a whole model on the mock driver.</summary>
internal abstract class CudaModelFixture : CudaFixture
{
    private const string Config = """
        {
          "model_type": "ms_resampler",
          "vision_hidden_size": 20, "hidden_size": 32, "num_attention_heads": 2,
          "query_grid": [3, 3], "output_size": 12,
          "scopes": [
            { "name": "local", "prior": "window", "window": [2, 3] },
            { "name": "soft", "prior": "gaussian", "sigma": [1.5, 2.5] },
            { "name": "wide", "prior": "none" }
          ],
          "share_queries": true, "share_kv": false,
          "position_embedding": { "type": "sincos2d", "keys": true, "queries": false },
          "gate": { "type": "mlp", "hidden_size": 8, "granularity": "head" },
          "layer_norm_eps": 1e-6, "torch_dtype": "float32"
        }
        """;

    private static readonly PatchGrid[] s_grids = [new(5, 7), new(1, 1), new(3, 4)];

    private float[] _features = [];

    protected static ResamplerOptions Options { get; } = new() { Backend = CudaBackend.Default };

    /// <summary>The model's folder.</summary>
    protected string Folder { get; private set; } = "";

    /// <summary>The tokens of the reference.</summary>
    protected double[] Expected { get; private set; } = [];

    [OneTimeSetUp]
    public void CreateModel()
    {
        Folder = Directory.CreateTempSubdirectory("msresampler-cuda-").FullName;
        File.WriteAllText(Path.Combine(Folder, "config.json"), Config);
        CliRun.Of("init", "--config", Path.Combine(Folder, "config.json"), "--out", Folder, "--force").Succeeds();
        using ResamplerModel model = ResamplerModel.Open(Folder);
        ReferenceResampler reference = ReferenceResampler.Load(model);
        Random random = new(5);
        int width = model.Config.VisionHiddenSize;
        float[][] features = [.. s_grids.Select(grid => Enumerable.Range(0, (int)grid.PatchCount * width)
            .Select(_ => (random.NextSingle() * 2) - 1).ToArray())];
        _features = [.. features.SelectMany(values => values)];
        Expected = [.. features.Zip(s_grids).SelectMany(image => reference.Resample(image.First, image.Second))];
    }

    [OneTimeTearDown]
    public void DeleteModel()
    {
        if (Folder.Length > 0)
            Directory.Delete(Folder, recursive: true);
    }

    /// <summary>The tokens of a batch of three images.</summary>
    protected float[] Run(Resampler resampler)
    {
        float[] tokens = new float[Expected.Length];
        resampler.Resample(_features, s_grids, tokens);
        return tokens;
    }
}
