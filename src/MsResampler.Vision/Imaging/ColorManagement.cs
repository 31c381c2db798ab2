namespace MsResampler.Vision;

/// <summary>What happens to the colour profile of an image.</summary>
public enum ColorManagement
{
    /// <summary>Values are converted from the profile of the file to sRGB. A file without a profile is sRGB.</summary>
    ConvertToSrgb,

    /// <summary>The stored values are used, as in the processors of transformers, which ignore profiles.</summary>
    Ignore,
}
