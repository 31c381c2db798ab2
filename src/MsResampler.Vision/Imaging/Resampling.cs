namespace MsResampler.Vision;

/// <summary>The filter that resizes an image. The values are Pillow's, as in the field <c>resample</c> of a
/// preprocessor_config.json. All filters but <see cref="Nearest"/> widen with a reduction, so that fine details do
/// not alias.</summary>
public enum Resampling
{
    /// <summary>The nearest pixel.</summary>
    Nearest = 0,

    /// <summary>A sinc window of 6 pixels.</summary>
    Lanczos = 1,

    /// <summary>A triangle of 2 pixels.</summary>
    Bilinear = 2,

    /// <summary>The cubic of 4 pixels with a = −½.</summary>
    Bicubic = 3,

    /// <summary>The mean of the covered pixels.</summary>
    Box = 4,

    /// <summary>A Hamming window of 2 pixels.</summary>
    Hamming = 5,
}
