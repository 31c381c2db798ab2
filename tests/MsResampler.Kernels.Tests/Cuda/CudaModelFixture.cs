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

    /// <summary>A batch of three images.</summary>
    protected static PatchGrid[] Grids { get; } = [new(5, 7), new(1, 1), new(3, 4)];

    protected static ResamplerOptions Options { get; } = new() { Backend = CudaBackend.Default };

    /// <summary>The model's folder.</summary>
    protected string Folder { get; private set; } = "";

    /// <summary>The features of the batch.</summary>
    protected float[] Features { get; private set; } = [];

    /// <summary>The number of values in the tokens of the batch.</summary>
    protected int TokenCount { get; private set; }

    [OneTimeSetUp]
    public void CreateModel()
    {
        Folder = Directory.CreateTempSubdirectory("msresampler-cuda-").FullName;
        File.WriteAllText(Path.Combine(Folder, "config.json"), Config);
        CliRun.Of("init", "--config", Path.Combine(Folder, "config.json"), "--out", Folder, "--force").Succeeds();
        using ResamplerModel model = ResamplerModel.Open(Folder);
        Random random = new(5);
        Features = [.. Enumerable.Range(0, (int)Grids.Sum(grid => grid.PatchCount) * model.Config.VisionHiddenSize)
            .Select(_ => (random.NextSingle() * 2) - 1)];
        TokenCount = Grids.Length * model.Config.QueryGrid.QueryCount * model.Config.OutputSize;
    }

    [OneTimeTearDown]
    public void DeleteModel()
    {
        if (Folder.Length > 0)
            Directory.Delete(Folder, recursive: true);
    }

    /// <summary>The tokens of the batch.</summary>
    protected float[] Run(Resampler resampler)
    {
        float[] tokens = new float[TokenCount];
        resampler.Resample(Features, Grids, tokens);
        return tokens;
    }
}
