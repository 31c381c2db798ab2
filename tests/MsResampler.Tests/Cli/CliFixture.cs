using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using MsResampler.Safetensors;
using SkiaSharp;

namespace MsResampler.Tests.Cli;

/// <summary>A temporary folder with a small model.</summary>
internal abstract class CliFixture
{
    protected const int ChannelCount = 12;
    protected const int QueryCount = 6;
    protected const int TokenSize = 5;

    protected const string Config = """
        {
          "model_type": "ms_resampler",
          "vision_hidden_size": 12, "hidden_size": 8, "num_attention_heads": 2,
          "query_grid": [2, 3], "output_size": 5,
          "scopes": [
            { "name": "local", "prior": "window", "window": [2, 2] },
            { "name": "soft", "prior": "gaussian", "sigma": [1.5, 1.5] },
            { "name": "wide", "prior": "none" }
          ],
          "share_queries": true, "share_kv": false,
          "position_embedding": { "type": "sincos2d", "keys": true, "queries": false },
          "gate": { "type": "mlp", "hidden_size": 4, "granularity": "head" },
          "layer_norm_eps": 1e-6, "torch_dtype": "float32"
        }
        """;

    protected string Folder { get; private set; } = "";

    /// <summary>A model for patches of 2×2 pixels.</summary>
    protected string Model => In("model");

    [OneTimeSetUp]
    public void CreateModel()
    {
        // These tests compare bits of the CPU, so "auto" must not select a GPU.
        Environment.SetEnvironmentVariable("MSRESAMPLER_LIBCUDA", "/none/libcuda.so");
        Folder = Directory.CreateTempSubdirectory("msresampler-tests-").FullName;
        File.WriteAllText(In("config.json"), Config);
        CliRun.Of("init", "--config", In("config.json"), "--out", Model).Succeeds();
    }

    [OneTimeTearDown]
    public void DeleteFolder() => Directory.Delete(Folder, recursive: true);

    protected string In(string name) => Path.Combine(Folder, name);

    protected static float[] Values(int count, int seed)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (random.NextSingle() * 2) - 1)];
    }

    protected string WriteFeatures(string name,
        params (string Tensor, long[] Shape, float[] Values)[] tensors)
    {
        SafetensorsWriter.Write(In(name), tensors.Select(tensor =>
            new TensorToWrite(tensor.Tensor, TensorType.F32, tensor.Shape, tensor.Values)));
        return In(name);
    }

    protected string WriteNpy(string name, string header, ReadOnlySpan<byte> data)
    {
        File.WriteAllBytes(In(name), [.. NpyBytes(header), .. data]);
        return In(name);
    }

    protected string WriteNpy(string name, long[] shape, float[] values) => WriteNpy(name,
        $"{{'descr': '<f4', 'fortran_order': False, 'shape': ({Extents(shape)}), }}",
        MemoryMarshal.AsBytes<float>(values));

    protected static byte[] NpyBytes(string header)
        => [0x93, .. "NUMPY"u8, 1, 0, .. BitConverter.GetBytes((ushort)header.Length),
            .. Encoding.Latin1.GetBytes(header)];

    protected static string Extents(long[] shape)
        => string.Join(", ", shape.Select(extent => extent.ToString(CultureInfo.InvariantCulture)));

    /// <summary>Writes a picture whose pixel (x, y) has the given colour.</summary>
    protected string WritePicture(string name, int width, int height, Func<int, int, SKColor> color,
        SKEncodedImageFormat format = SKEncodedImageFormat.Png)
    {
        using SKBitmap bitmap = new(width, height, SKColorType.Rgba8888, SKAlphaType.Unpremul);
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++)
                bitmap.SetPixel(x, y, color(x, y));
        using SKData data = bitmap.Encode(format, quality: 100);
        File.WriteAllBytes(In(name), data.ToArray());
        return In(name);
    }

    protected static float[] ReadTokens(string path, out long[] shape)
    {
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(path);
        TensorInfo tensor = checkpoint.Find("tokens")!;
        shape = [.. tensor.Shape];
        float[] tokens = new float[tensor.ElementCount];
        checkpoint.Read(tensor, 0, tokens);
        return tokens;
    }

    /// <summary>Unfinished files that a run left in the folder, including hidden ones.</summary>
    protected string[] TemporaryFiles() => Directory.GetFiles(Folder, "*.tmp", new EnumerationOptions
    {
        RecurseSubdirectories = true,
        AttributesToSkip = FileAttributes.None,
    });
}
