using System.Numerics.Tensors;
using Google.Protobuf;
using Microsoft.ML.OnnxRuntime;
using MsResampler.Onnx;
using MsResampler.Onnx.Proto;

namespace MsResampler.Perf.Peers;

/// <summary>Writes graphs with products of 8-bit integers for ONNX Runtime, from the same weights as the
/// engine's.</summary>
internal static class IntegerPeers
{
    /// <summary>Writes the graph whose activations are quantised at run time. Returns its path.</summary>
    /// <param name="graph">The exported graph.</param>
    public static string WriteDynamic(string graph)
        => Write(graph, "int8-dynamic", new IntegerGraph(Read(graph)).Dynamic());

    /// <summary>Writes the graph whose activations have constant scales. Returns its path.</summary>
    /// <param name="graph">The exported graph.</param>
    /// <param name="features">The features whose ranges the scales cover.</param>
    /// <param name="shape">Their shape.</param>
    public static string WriteStatic(string graph, float[] features, long[] shape)
        => Write(graph, "int8-static", new IntegerGraph(Read(graph)).Static(Ranges(graph, features, shape)));

    private static Dictionary<string, (float Min, float Max)> Ranges(string graph, float[] features, long[] shape)
    {
        ModelProto model = Read(graph);
        string[] names = [.. new IntegerGraph(model).Inputs];
        model.Graph.Output.Clear();
        foreach (string name in names)
            model.Graph.Output.Add(new ValueInfoProto { Name = name });
        using InferenceSession session = new(model.ToByteArray());
        using RunOptions options = new();
        using OrtValue input = OrtValue.CreateTensorValueFromMemory(features, shape);
        using IDisposableReadOnlyCollection<OrtValue> outputs =
            session.Run(options, [OnnxExporter.InputName], [input], names);
        Dictionary<string, (float Min, float Max)> ranges = [];
        for (int index = 0; index < names.Length; index++)
        {
            ReadOnlySpan<float> values = outputs[index].GetTensorDataAsSpan<float>();
            ranges[names[index]] = (TensorPrimitives.Min(values),
                TensorPrimitives.Max(values));
        }

        return ranges;
    }

    private static ModelProto Read(string graph)
    {
        using FileStream stream = File.OpenRead(graph);
        return ModelProto.Parser.ParseFrom(stream);
    }

    private static string Write(string graph, string suffix, ModelProto model)
    {
        string path = Path.ChangeExtension(graph, $".{suffix}.onnx");
        using FileStream stream = File.Create(path);
        model.WriteTo(stream);
        return path;
    }
}
