using Microsoft.ML.OnnxRuntime;

namespace MsResampler.Vision;

/// <summary>How an encoder is loaded. What is not set is found from the model.</summary>
public sealed class VisionEncoderOptions
{
    /// <summary>How images are prepared; null to read <c>preprocessor_config.json</c> beside the model, or one folder
    /// above. If the model has a fixed input size, it replaces the size of the preprocessing.</summary>
    public ImagePreprocessing? Preprocessing { get; set; }

    /// <summary>The name of the input for images; null if there is only one input.</summary>
    public string? InputName { get; set; }

    /// <summary>The order of the input's values; null to find the axis with three channels.</summary>
    public PixelLayout? InputLayout { get; set; }

    /// <summary>The name of the output with patch features; null for <c>last_hidden_state</c>, or for the only output
    /// of three or four axes.</summary>
    public string? OutputName { get; set; }

    /// <summary>The order of the output's values; null to find it from the shapes.</summary>
    public FeatureLayout? OutputLayout { get; set; }

    /// <summary>The number of rows before the first patch in an output [B, N, C], such as a class token and registers;
    /// null to find whether there are 0 or 1.</summary>
    public int? PrefixTokenCount { get; set; }

    /// <summary>The number of threads of ONNX Runtime; 0 for one per processor core. Without effect if
    /// <see cref="CreateSessionOptions"/> is set.</summary>
    public int ThreadCount { get; set; }

    /// <summary>Creates the options of ONNX Runtime, for example with an execution provider for GPUs; null for the
    /// processor.</summary>
    public Func<SessionOptions>? CreateSessionOptions { get; set; }
}
