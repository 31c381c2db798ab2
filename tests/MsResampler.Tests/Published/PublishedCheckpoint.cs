using MsResampler.Safetensors;

namespace MsResampler.Tests.Published;

/// <summary>A small checkpoint with the names of a published family and random values, in a folder that exists until
/// disposal. Every value is exact in float32, float16 and bfloat16.</summary>
internal sealed class PublishedCheckpoint : IDisposable
{
    /// <summary>D: two heads of 128 channels, where the language model's config.json says four.</summary>
    public const int Width = 256;

    private readonly Dictionary<string, (long[] Shape, float[] Values)> _tensors = [];
    private readonly PublishedFamily _family;
    private readonly Random _random;

    /// <param name="family">The family.</param>
    /// <param name="channelCount">C; with D there is no <c>kv_proj</c>.</param>
    /// <param name="outputSize">L.</param>
    /// <param name="type">The type of the stored values.</param>
    public PublishedCheckpoint(PublishedFamily family, int channelCount, int outputSize, TensorType type)
    {
        _family = family;
        _random = new Random(family.Name.Length + channelCount);
        (ChannelCount, OutputSize) = (channelCount, outputSize);
        double unit = 1 / Math.Sqrt(Width);
        if (channelCount != Width)
            Add("kv_proj.weight", 1 / Math.Sqrt(channelCount), 0, Width, channelCount);
        foreach (string norm in new[] { "ln_kv", "ln_q", "ln_post" })
        {
            Add(norm + ".weight", 0.3, 1, Width);
            Add(norm + ".bias", 0.3, 0, Width);
        }

        Add("query", 1, 0, family.QueryCount, Width);
        if (family.StoresQueryPositions)
            Add("pos_embed", 0.7, 0, family.QueryCount, Width);
        Add("attn.in_proj_weight", 1.5 * unit, 0, 3 * Width, Width);
        Add("attn.in_proj_bias", 0.4, 0, 3 * Width);
        Add("attn.out_proj.weight", unit, 0, Width, Width);
        Add("attn.out_proj.bias", 0.2, 0, Width);
        Add("proj", unit, 0, Width, outputSize);

        Folder = Directory.CreateTempSubdirectory("msresampler-tests-").FullName;
        File.WriteAllText(Path.Combine(Folder, "config.json"), family.Config);
        SafetensorsWriter.Write(Path.Combine(Folder, "model.safetensors"),
        [
            .. _tensors.Select(tensor => new TensorToWrite(NameOf(tensor.Key), type, tensor.Value.Shape,
                tensor.Value.Values)),
            new TensorToWrite("llm.model.embed_tokens.weight", type, [3, Width], new float[3 * Width]),
        ]);
    }

    public string Folder { get; }

    public int ChannelCount { get; }

    public int OutputSize { get; }

    public bool HasInput => _tensors.ContainsKey("kv_proj.weight");

    /// <summary>The values of a tensor, by its name within the module.</summary>
    public float[] this[string name] => _tensors[name].Values;

    public void Dispose() => Directory.Delete(Folder, recursive: true);

    private string NameOf(string name) => name.StartsWith("ln_post", StringComparison.Ordinal) || name == "proj"
        ? _family.OuterModule + name : _family.Module + name;

    private void Add(string name, double scale, double mean, params long[] shape)
    {
        float[] values = new float[shape.Aggregate(1L, (product, extent) => product * extent)];
        for (int index = 0; index < values.Length; index++)
        {
            // A multiple of 1/512 below 4, cut to the 8 significant bits of bfloat16.
            double value = mean + (scale * Math.Sqrt(3) * ((2 * _random.NextDouble()) - 1));
            float step = (float)(Math.Round(value * 512) / 512);
            values[index] = BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits(step) & 0xFFFF0000);
        }

        _tensors.Add(name, (shape, values));
    }
}
