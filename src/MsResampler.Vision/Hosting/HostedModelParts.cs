using MsResampler.Model;

namespace MsResampler.Vision;

/// <summary>The loaded model of a service.</summary>
internal sealed class HostedModelParts : IDisposable
{
    private readonly VisionEncoder? _encoder;

    /// <param name="path">The folder or file of the resampler.</param>
    /// <param name="layout">Its layout.</param>
    /// <param name="resampler">The resampler, which this instance owns.</param>
    /// <param name="encoder">The encoder, which this instance owns, or null.</param>
    /// <param name="options">The options of the tokenizer.</param>
    /// <exception cref="ArgumentException">The numbers of channels of the encoder and of the resampler
    /// differ.</exception>
    public HostedModelParts(string path, CheckpointLayout layout, Resampler resampler, VisionEncoder? encoder,
        VisualTokenizerOptions options)
    {
        (Path, Layout, Resampler, _encoder) = (path, layout, resampler, encoder);
        Tokenizer = encoder is null ? null : new VisualTokenizer(encoder, resampler, options);
    }

    /// <summary>The folder or file of the resampler.</summary>
    public string Path { get; }

    /// <summary>The layout of the resampler.</summary>
    public CheckpointLayout Layout { get; }

    /// <summary>The resampler.</summary>
    public Resampler Resampler { get; }

    /// <summary>The tokenizer; null if there is no encoder.</summary>
    public VisualTokenizer? Tokenizer { get; }

    /// <summary>The encoder.</summary>
    /// <exception cref="InvalidOperationException">There is none.</exception>
    public VisionEncoder RequiredEncoder => _encoder ?? throw NoEncoder(nameof(VisionEncoder));

    /// <summary>The tokenizer.</summary>
    /// <exception cref="InvalidOperationException">There is no encoder.</exception>
    public VisualTokenizer RequiredTokenizer => Tokenizer ?? throw NoEncoder(nameof(VisualTokenizer));

    public void Dispose()
    {
        Tokenizer?.Dispose();
        _encoder?.Dispose();
        Resampler.Dispose();
    }

    private static InvalidOperationException NoEncoder(string service)
        => new($"{service}: expected {nameof(MsResamplerOptions)}.{nameof(MsResamplerOptions.EncoderPath)} to name " +
            "an ONNX vision encoder, found none; without it the service has a Resampler for patch features");
}
