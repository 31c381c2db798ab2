namespace MsResampler.Vision;

/// <summary>The model of a service, and how it is loaded. In a configuration every property is a key of the same name,
/// and an unknown key is an error.</summary>
public sealed class MsResamplerOptions
{
    /// <summary>The resampler: a folder or a file, see
    /// <see cref="MsResampler.Resampler.Load(string, ResamplerOptions)"/>. Required. A relative path starts at the
    /// current folder of the process.</summary>
    public string? ModelPath { get; set; }

    /// <summary>The ONNX vision encoder, see <see cref="VisionEncoder.Load(string, VisionEncoderOptions)"/>; null for a
    /// service that gets patch features. Without it there is a <see cref="MsResampler.Resampler"/>, but no
    /// <see cref="VisualTokenizer"/>.</summary>
    public string? EncoderPath { get; set; }

    /// <summary>The options of the tokenizer, with those of the encoder and of the resampler, which chooses backend and
    /// precision. A configuration can name the backend <c>cpu</c>; others are set in code.</summary>
    public VisualTokenizerOptions Tokenizer { get; set; } = new();

    /// <summary>Whether the host loads the model and warms it up in the background when it starts. Until then the
    /// health check is unhealthy. If not, the first use loads the model, or the first health check.</summary>
    public bool WarmUp { get; set; } = true;

    /// <summary>Patch grids to warm up: one batch of one image for each, on a GPU with its kernels. The grid of an
    /// encoder with a fixed input size needs no entry. Without grids and without an encoder, a grid of the size of the
    /// query grid is used.</summary>
    public IList<PatchGrid> WarmUpGrids { get; set; } = [];
}
