using System.Text.Json;
using MsResampler.Safetensors;

namespace MsResampler.Vision.Tests.Photos;

/// <summary>A folder with a small model, a small encoder and photos.</summary>
internal abstract class PhotoFixture
{
    protected const string Config = """
        {
          "model_type": "ms_resampler",
          "vision_hidden_size": 8, "hidden_size": 8, "num_attention_heads": 2,
          "query_grid": [2, 3], "output_size": 5,
          "scopes": [
            { "name": "local", "prior": "window", "window": [2, 2] },
            { "name": "wide", "prior": "none" }
          ],
          "share_queries": true, "share_kv": false,
          "position_embedding": { "type": "sincos2d", "keys": true, "queries": false },
          "gate": { "type": "mlp", "hidden_size": 4, "granularity": "head" },
          "layer_norm_eps": 1e-6, "torch_dtype": "float32"
        }
        """;

    private TemporaryFolder _folder = null!;

    protected string Model => In("model");

    protected string Encoder { get; private set; } = "";

    [OneTimeSetUp]
    public void CreateFolder()
    {
        // These tests compare bits of the CPU, so "auto" must not select a GPU.
        Environment.SetEnvironmentVariable("MSRESAMPLER_LIBCUDA", "/none/libcuda.so");
        _folder = new TemporaryFolder();
        File.WriteAllText(In("config.json"), Config);
        CliRun.Of("init", "--config", In("config.json"), "--out", Model).Succeeds();
        Encoder = new SmallVit { HasClassToken = true }.WriteTo(In("encoder"));
    }

    [OneTimeTearDown]
    public void DeleteFolder() => _folder.Dispose();

    protected string In(string name) => _folder.File(name);

    /// <summary>The command line of a run of this encoder and model.</summary>
    protected string[] Arguments(params string[] more) => ["run", "--model", Model, "--encoder", Encoder, .. more];

    protected CliRun Run(params string[] more) => CliRun.Of(Arguments(more));

    /// <summary>Reads the sidecars and the shards of a folder.</summary>
    /// <returns>The tokens of each photo in the type of the shard; null for a bad one. In the order of the
    /// lines.</returns>
    protected static List<(string File, byte[]? Tokens)> Read(string output)
    {
        List<(string, byte[]?)> photos = [];
        Dictionary<string, SafetensorsCheckpoint> shards = Directory.GetFiles(output, "*.safetensors")
            .ToDictionary(path => Path.GetFileName(path), SafetensorsCheckpoint.Open);
        foreach (string line in Directory.GetFiles(output, "*.jsonl").Order().SelectMany(File.ReadAllLines))
        {
            using JsonDocument document = JsonDocument.Parse(line);
            JsonElement root = document.RootElement;
            byte[]? bytes = null;
            if (root.GetProperty("status").GetString() == "ok")
            {
                SafetensorsCheckpoint shard = shards[root.GetProperty("shard").GetString()!];
                TensorInfo tensor = shard.Find(root.GetProperty("tensor").GetString()!)!;
                bytes = new byte[tensor.ByteCount];
                shard.ReadBytes(tensor, 0, bytes);
            }

            photos.Add((root.GetProperty("file").GetString()!, bytes));
        }

        int tensorCount = shards.Values.Sum(shard => shard.Tensors.Count);
        foreach (SafetensorsCheckpoint shard in shards.Values)
            shard.Dispose();
        Assert.That(tensorCount, Is.EqualTo(photos.Count(photo => photo.Item2 is not null)),
            "every tensor has a line");
        return photos;
    }
}
