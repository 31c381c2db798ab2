namespace MsResampler.Vision;

/// <summary>How a <see cref="VisualTokenizer"/> is loaded and works.</summary>
public sealed class VisualTokenizerOptions
{
    /// <summary>The options of the encoder.</summary>
    public VisionEncoderOptions Encoder { get; set; } = new();

    /// <summary>The options of the resampler.</summary>
    public ResamplerOptions Resampler { get; set; } = new();

    /// <summary>The largest number of images of one size that are encoded together, at least 1. On a processor more
    /// than one gains little, and ONNX Runtime does not promise the same last bits for every batch.</summary>
    public int BatchSize { get; set; } = 1;

    /// <summary>The largest number of images of a stream that are decoded at the same time or wait for the encoder; 0
    /// for one per processor, at most 8.</summary>
    public int DecoderCount { get; set; }

    /// <summary>The largest number of asynchronous calls that work at the same time, at least 1; later calls wait.
    /// Every call already uses all processors, so that a second one only fills gaps.</summary>
    public int MaxConcurrentCalls { get; set; } = 2;
}
