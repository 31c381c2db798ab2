namespace MsResampler.Server.Hosting;

/// <summary>How a model is loaded.</summary>
internal sealed class ModelSettings
{
    /// <summary>The folder or file of the resampler.</summary>
    public string Path { get; set; } = "";

    /// <summary>The ONNX vision encoder; null for a model that takes patch features only.</summary>
    public string? Encoder { get; set; }

    /// <summary>How the encoder's pictures are prepared: a preset or a file; null for the file beside the
    /// encoder.</summary>
    public string? Preprocessing { get; set; }

    /// <summary><c>auto</c>, <c>cpu</c> or <c>cuda</c>.</summary>
    public string Backend { get; set; } = "auto";

    /// <summary>The GPU; null for the first usable one.</summary>
    public string? Device { get; set; }

    /// <summary><c>auto</c>, <c>float32</c>, <c>tf32</c>, <c>float16</c>, <c>bfloat16</c> or <c>int8</c>.</summary>
    public string Precision { get; set; } = "auto";

    /// <summary>The number of threads of the CPU backend; 0 for one per processor.</summary>
    public int Threads { get; set; }

    /// <summary>Patch grids to warm up, such as <c>24x24</c>.</summary>
    public IList<string> WarmUp { get; set; } = [];
}
