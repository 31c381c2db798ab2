namespace MsResampler.Vision;

/// <summary>Decodes images and prepares them for a vision encoder.</summary>
/// <param name="preprocessing">The steps.</param>
public sealed class ImagePreprocessor(ImagePreprocessing preprocessing)
{
    /// <summary>The steps.</summary>
    public ImagePreprocessing Preprocessing { get; } = preprocessing;
}
