namespace MsResampler.Vision;

/// <summary>A decoded image of three channels with 8 bits each.</summary>
/// <param name="Size">Height and width.</param>
/// <param name="Pixels">Red, green, blue of each pixel, row-major.</param>
public sealed record RgbImage(ImageSize Size, byte[] Pixels);
