using Microsoft.ML.OnnxRuntime;
using MsResampler.Onnx;

namespace MsResampler.Perf.Peers;

/// <summary>A graph in ONNX Runtime with its fastest settings. Input and output use arrays of the caller, without
/// copies.</summary>
internal sealed class OnnxPeer : IDisposable
{
    /// <summary>A description of the settings, for the report.</summary>
    public const string Settings =
        "all graph optimisations, sequential execution, as many intra-op threads as the engine, 1 inter-op thread, " +
        "spinning on, memory pattern and arena on, input and output preallocated";

    public static string Version { get; } = $"ONNX Runtime {OrtEnv.Instance().GetVersionString()}";

    private static readonly string[] s_inputNames = [OnnxExporter.InputName];
    private static readonly string[] s_outputNames = [OnnxExporter.OutputName];

    private readonly InferenceSession _session;
    private readonly RunOptions _runOptions = new();
    private OrtValue[] _input = [];
    private OrtValue[] _output = [];

    /// <param name="graph">The ONNX file.</param>
    /// <param name="threadCount">Threads, including the calling thread.</param>
    public OnnxPeer(string graph, int threadCount)
    {
        using SessionOptions options = new()
        {
            GraphOptimizationLevel = GraphOptimizationLevel.ORT_ENABLE_ALL,
            ExecutionMode = ExecutionMode.ORT_SEQUENTIAL,
            IntraOpNumThreads = threadCount,
            InterOpNumThreads = 1,
            LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR,
        };
        _session = new InferenceSession(graph, options);
    }

    /// <summary>Writes the graph of a model for the grid of its shape. Returns the path. The graph is written every
    /// time, so that it always comes from the current exporter.</summary>
    public static string WriteGraph(PerfModel perfModel)
    {
        string path = Path.Combine(perfModel.Folder, $"model-{perfModel.Shape.Grid}.onnx");
        using ResamplerModel model = ResamplerModel.Open(perfModel.Folder);
        using FileStream stream = File.Create(path);
        OnnxExporter.Write(model, perfModel.Shape.Grid, stream);
        return path;
    }

    /// <summary>Binds the arrays that <see cref="Run"/> reads and writes.</summary>
    public void Bind(float[] input, long[] inputShape, float[] output, long[] outputShape)
    {
        Release();
        _input = [OrtValue.CreateTensorValueFromMemory(input, inputShape)];
        _output = [OrtValue.CreateTensorValueFromMemory(output, outputShape)];
    }

    public void Run() => _session.Run(_runOptions, s_inputNames, _input, s_outputNames, _output);

    public void Dispose()
    {
        Release();
        _runOptions.Dispose();
        _session.Dispose();
    }

    private void Release()
    {
        foreach (OrtValue value in (ReadOnlySpan<OrtValue>)[.. _input, .. _output])
            value.Dispose();
    }
}
