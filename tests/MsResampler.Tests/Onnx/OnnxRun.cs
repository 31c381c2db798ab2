using Microsoft.ML.OnnxRuntime;
using MsResampler.Onnx;

namespace MsResampler.Tests.Onnx;

/// <summary>A graph loaded into ONNX Runtime.</summary>
internal sealed class OnnxRun : IDisposable
{
    private readonly InferenceSession _session;
    private readonly RunOptions _options = new();

    public OnnxRun(byte[] graph)
    {
        using SessionOptions options = new()
        {
            GraphOptimizationLevel = GraphOptimizationLevel.ORT_ENABLE_ALL,
            IntraOpNumThreads = 1,
            LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR,
        };
        _session = new InferenceSession(graph, options);
    }

    public static OnnxRun Of(ResamplerModel model, PatchGrid grid)
    {
        using MemoryStream stream = new();
        OnnxExporter.Write(model, grid, stream);
        return new OnnxRun(stream.ToArray());
    }

    /// <summary>Runs images of one grid that are contiguous in memory, each [H, W, C], and returns their tokens in
    /// the same order.</summary>
    public float[] Tokens(float[] features, int batch, PatchGrid grid, int channelCount)
    {
        using OrtValue input = OrtValue.CreateTensorValueFromMemory(features,
            [batch, grid.Rows, grid.Columns, channelCount]);
        using IDisposableReadOnlyCollection<OrtValue> outputs = _session.Run(_options,
            [OnnxExporter.InputName], [input], [OnnxExporter.OutputName]);
        return outputs[0].GetTensorDataAsSpan<float>().ToArray();
    }

    public void Dispose()
    {
        _options.Dispose();
        _session.Dispose();
    }
}
