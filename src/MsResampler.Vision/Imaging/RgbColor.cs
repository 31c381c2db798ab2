namespace MsResampler.Vision;

/// <summary>A colour, from 0 to 255 per channel, in the colour space of the decoded image.</summary>
/// <param name="Red">Red.</param>
/// <param name="Green">Green.</param>
/// <param name="Blue">Blue.</param>
public readonly record struct RgbColor(byte Red, byte Green, byte Blue)
{
    /// <summary>Black.</summary>
    public static RgbColor Black { get; } = new(0, 0, 0);

    /// <summary>White.</summary>
    public static RgbColor White { get; } = new(255, 255, 255);
}
