namespace MsResampler.Vision;

/// <summary>How files become pixels, and which files are rejected.</summary>
public sealed record ImageDecoding
{
    /// <summary>The largest number of pixels of a decoded image; 2²⁷ (134 million) by default. It bounds the time of an
    /// image, because a file of a few kilobytes can declare a huge picture.</summary>
    public long MaxPixelCount { get; init; } = 1L << 27;

    /// <summary>The largest number of bytes of an encoded image; 64 MiB by default.</summary>
    public long MaxEncodedBytes { get; init; } = 64L << 20;

    /// <summary>The colour behind transparent pixels; white by default.</summary>
    public RgbColor Background { get; init; } = RgbColor.White;

    /// <summary>What happens to colour profiles; by default values are converted to sRGB.</summary>
    public ColorManagement ColorManagement { get; init; }
}
