namespace MsResampler.Vision;

/// <summary>How an image becomes the input of a vision encoder: decoding, resizing, cropping, normalisation.</summary>
public sealed record ImagePreprocessing
{
    /// <summary>The mean that is subtracted from the values of each channel.</summary>
    public IReadOnlyList<float> Mean { get; init; } = [0.5f, 0.5f, 0.5f];
}
