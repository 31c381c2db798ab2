using System.Runtime.InteropServices;
using Google.Protobuf;
using Microsoft.ML.OnnxRuntime.Tensors;
using MsResampler.Onnx;
using MsResampler.Onnx.Proto;
using MsResampler.Vision;
using static MsResampler.Onnx.GraphParts;

namespace MsResampler.TestKit;

/// <summary>A small vision transformer with fixed random weights: a patch embedding, an optional class token, and one
/// layer of attention with one head. <see cref="ToBytes"/> gives it as an ONNX graph, and <see cref="Features"/>
/// computes it in double precision, without code that both share.</summary>
internal sealed record SmallVit
{
    public const string InputName = "pixel_values";
    public const string OutputName = "last_hidden_state";

    private const int FormatVersion = 8;
    private const int OperatorSetVersion = 17;

    /// <summary>The side of a patch.</summary>
    public int PatchSize { get; init; } = 4;

    /// <summary>C.</summary>
    public int ChannelCount { get; init; } = 8;

    /// <summary>The size of the input; null for any size.</summary>
    public ImageSize? Size { get; init; } = new ImageSize(16, 16);

    /// <summary>The batch size of the input; null for any.</summary>
    public int? BatchSize { get; init; }

    public PixelLayout InputLayout { get; init; } = PixelLayout.ChannelsFirst;

    public FeatureLayout OutputLayout { get; init; } = FeatureLayout.Sequence;

    /// <summary>Whether a row for a class token precedes the patches; only in a sequence.</summary>
    public bool HasClassToken { get; init; }

    /// <summary>The type of input and output.</summary>
    public TensorElementType Type { get; init; } = TensorElementType.Float;

    /// <summary>Whether the graph declares the shape of its output.</summary>
    public bool DeclaresOutput { get; init; } = true;

    /// <summary>Whether there is a second output, a pooled vector.</summary>
    public bool HasOtherOutputs { get; init; }

    public byte[] ToBytes()
    {
        using MemoryStream stream = new();
        WriteModel(stream);
        return stream.ToArray();
    }

    /// <summary>Writes the graph to a file, with a preprocessor_config.json beside it.</summary>
    /// <returns>The path of the file.</returns>
    public string WriteTo(string folder, string preprocessor = """{"image_processor_type":"SiglipImageProcessor"}""")
    {
        Directory.CreateDirectory(folder);
        string path = Path.Combine(folder, "encoder.onnx");
        File.WriteAllBytes(path, ToBytes());
        File.WriteAllText(Path.Combine(folder, "preprocessor_config.json"), preprocessor);
        return path;
    }

    /// <summary>The patch features of an image in double precision, [H·W, C].</summary>
    /// <param name="pixels">The normalised pixels, [3, height, width].</param>
    /// <param name="size">Height and width.</param>
    public double[] Features(ReadOnlySpan<float> pixels, ImageSize size)
    {
        (int rows, int columns) = (size.Height / PatchSize, size.Width / PatchSize);
        double[] embedded = new double[rows * columns * ChannelCount];
        float[] weights = Weights("patch", ChannelCount * 3 * PatchSize * PatchSize);
        float[] bias = Weights("patch.bias", ChannelCount);
        for (int row = 0; row < rows; row++)
            for (int column = 0; column < columns; column++)
                for (int channel = 0; channel < ChannelCount; channel++)
                {
                    double sum = bias[channel];
                    for (int plane = 0; plane < 3; plane++)
                        for (int y = 0; y < PatchSize; y++)
                            for (int x = 0; x < PatchSize; x++)
                            {
                                int pixel = (((plane * size.Height) + (row * PatchSize) + y) * size.Width)
                                    + (column * PatchSize) + x;
                                int weight = (((((channel * 3) + plane) * PatchSize) + y) * PatchSize) + x;
                                sum += (double)pixels[pixel] * weights[weight];
                            }

                    embedded[(((row * columns) + column) * ChannelCount) + channel] = sum;
                }

        return OutputLayout == FeatureLayout.Sequence ? Attend(embedded) : embedded;
    }

    private double[] Attend(double[] patches)
    {
        double[] tokens = HasClassToken
            ? [.. Weights("class", ChannelCount).Select(value => (double)value), .. patches] : patches;
        int count = tokens.Length / ChannelCount;
        double[] queries = Project(tokens, "query");
        double[] keys = Project(tokens, "key");
        double[] values = Project(tokens, "value");
        double[] result = (double[])tokens.Clone();
        for (int query = 0; query < count; query++)
        {
            double[] weights = [.. Enumerable.Range(0, count).Select(key => Math.Exp(Enumerable.Range(0, ChannelCount)
                .Sum(c => queries[(query * ChannelCount) + c] * keys[(key * ChannelCount) + c])
                    / Math.Sqrt(ChannelCount)))];
            double sum = weights.Sum();
            for (int key = 0; key < count; key++)
                for (int c = 0; c < ChannelCount; c++)
                    result[(query * ChannelCount) + c] += weights[key] / sum * values[(key * ChannelCount) + c];
        }

        return HasClassToken ? result[ChannelCount..] : result;
    }

    private double[] Project(double[] tokens, string name)
    {
        float[] matrix = Weights(name, ChannelCount * ChannelCount);
        double[] result = new double[tokens.Length];
        for (int token = 0; token < tokens.Length / ChannelCount; token++)
            for (int to = 0; to < ChannelCount; to++)
                for (int from = 0; from < ChannelCount; from++)
                    result[(token * ChannelCount) + to] +=
                        tokens[(token * ChannelCount) + from] * matrix[(from * ChannelCount) + to];
        return result;
    }

    private void WriteModel(Stream stream)
    {
        GraphProto graph = new() { Name = "vit" };
        bool isFirst = InputLayout == PixelLayout.ChannelsFirst;
        object height = Size is { } fixedSize ? fixedSize.Height : "height";
        object width = Size is { } sameSize ? sameSize.Width : "width";
        object batch = BatchSize is { } images ? images : "batch";
        graph.Input.Add(Declare(InputName, isFirst ? [batch, 3, height, width] : [batch, height, width, 3]));
        string pixels = InputName;
        if (Type != TensorElementType.Float)
            pixels = Add(graph, "Cast", "float", [pixels], Integer("to", (int)TensorElementType.Float));
        if (Type == TensorElementType.UInt8)
            pixels = Add(graph, "Div", "rescaled", [pixels, Constant(graph, "levels", [255f])]);
        if (!isFirst)
            pixels = Add(graph, "Transpose", "planes", [pixels], Integers("perm", 0, 3, 1, 2));
        string map = Add(graph, "Conv", "patches",
        [
            pixels, Constant(graph, "patch", ChannelCount, 3, PatchSize, PatchSize),
            Constant(graph, "patch.bias", ChannelCount),
        ], Integers("strides", PatchSize, PatchSize));
        string output = OutputLayout switch
        {
            FeatureLayout.ChannelsFirst => map,
            FeatureLayout.ChannelsLast => Add(graph, "Transpose", "rows", [map], Integers("perm", 0, 2, 3, 1)),
            _ => Attention(graph, map),
        };
        if (HasOtherOutputs)
        {
            graph.Output.Add(Declare(Add(graph, "ReduceMean", "pooled", [output], Integers("axes", 1),
                Integer("keepdims", 0)), ["batch", ChannelCount]));
        }

        bool isHalf = Type == TensorElementType.Float16;
        _ = Add(graph, isHalf ? "Cast" : "Identity", OutputName, [output],
            isHalf ? [Integer("to", (int)Type)] : []);
        object count = Size is { } size
            ? (size.Height / PatchSize * (size.Width / PatchSize)) + (HasClassToken ? 1 : 0) : "count";
        object rows = Size is { } tall ? tall.Height / PatchSize : "rows";
        object columns = Size is { } broad ? broad.Width / PatchSize : "columns";
        graph.Output.Insert(0, Declare(OutputName, !DeclaresOutput
            ? OutputLayout == FeatureLayout.Sequence ? ["a", "b", "c"] : ["a", "b", "c", "d"] : OutputLayout switch
            {
                FeatureLayout.ChannelsFirst => ["batch", ChannelCount, rows, columns],
                FeatureLayout.ChannelsLast => ["batch", rows, columns, ChannelCount],
                _ => ["batch", count, ChannelCount],
            }, isHalf ? Type : TensorElementType.Float));
        ModelProto model = new() { IrVersion = FormatVersion, Graph = graph };
        model.OpsetImport.Add(new OperatorSetIdProto { Domain = "", Version = OperatorSetVersion });
        model.WriteTo(stream);
    }

    private string Attention(GraphProto graph, string map)
    {
        string flat = Add(graph, "Reshape", "flat", [map, Constant(graph, "flat.shape", 0L, ChannelCount, -1)]);
        string tokens = Add(graph, "Transpose", "tokens", [flat], Integers("perm", 0, 2, 1));
        if (HasClassToken)
        {
            // The mean of the patches, times 0, gives the class token the extent of the batch.
            string mean = Add(graph, "ReduceMean", "mean", [tokens], Integers("axes", 1), Integer("keepdims", 1));
            string zero = Add(graph, "Mul", "zero", [mean, Constant(graph, "none", [0f])]);
            string token = Add(graph, "Add", "class.token", [zero, Constant(graph, "class", ChannelCount)]);
            tokens = Add(graph, "Concat", "all", [token, tokens], Integer("axis", 1));
        }

        string Projected(string name) => Add(graph, "MatMul", name + ".rows",
            [tokens, Constant(graph, name, ChannelCount, ChannelCount)]);
        string keys = Add(graph, "Transpose", "keys", [Projected("key")], Integers("perm", 0, 2, 1));
        string logits = Add(graph, "Div", "logits", [Add(graph, "MatMul", "products", [Projected("query"), keys]),
            Constant(graph, "root", [MathF.Sqrt(ChannelCount)])]);
        string weights = Add(graph, "Softmax", "weights", [logits], Integer("axis", -1));
        return Add(graph, "Add", "attended", [tokens, Add(graph, "MatMul", "sums", [weights, Projected("value")])]);
    }

    private static float[] Weights(string name, int count)
    {
        Random random = new(name.Sum(letter => letter));
        return [.. Enumerable.Range(0, count).Select(_ => (float)((random.NextDouble() - 0.5) * 0.6))];
    }

    private static string Constant(GraphProto graph, string name, params int[] extents)
        => Constant(graph, name, Weights(name, extents.Aggregate((a, b) => a * b)),
            [.. extents.Select(extent => (long)extent)]);

    private static string Constant(GraphProto graph, string name, float[] values, params long[] extents)
        => Constant(graph, name, TensorElementType.Float, MemoryMarshal.AsBytes<float>(values), extents);

    private static string Constant(GraphProto graph, string name, params long[] values)
        => Constant(graph, name, TensorElementType.Int64, MemoryMarshal.AsBytes<long>(values),
            values.Length);

    private static string Constant(GraphProto graph, string name, TensorElementType type,
        ReadOnlySpan<byte> bytes, params long[] extents)
    {
        graph.Initializer.Add(GraphParts.Constant(name, (int)type, bytes, extents));
        return name;
    }

    private static string Add(GraphProto graph, string operation, string name, string[] inputs,
        params AttributeProto[] attributes)
    {
        graph.Node.Add(Node(operation, name, inputs, attributes));
        return name;
    }

    private ValueInfoProto Declare(string name, object[] extents) => Declare(name, extents, Type);

    private static ValueInfoProto Declare(string name, object[] extents, TensorElementType type)
        => GraphParts.Declare(name, (int)type, extents);
}
