using SkiaSharp;

namespace MsResampler.Vision;

/// <summary>How a stored image becomes upright: its rows and columns may be exchanged, and then each axis may be
/// mirrored.</summary>
/// <param name="IsTransposed">Whether the stored rows are the columns of the upright image.</param>
/// <param name="MirrorsRows">Whether the upright rows follow one another in the opposite order.</param>
/// <param name="MirrorsColumns">Whether the upright columns follow one another in the opposite order.</param>
internal readonly record struct Orientation(bool IsTransposed, bool MirrorsRows, bool MirrorsColumns)
{
    /// <summary>The orientation for the EXIF value of a file.</summary>
    public static Orientation Of(SKEncodedOrigin origin) => origin switch
    {
        SKEncodedOrigin.TopRight => new(false, false, true),
        SKEncodedOrigin.BottomRight => new(false, true, true),
        SKEncodedOrigin.BottomLeft => new(false, true, false),
        SKEncodedOrigin.LeftTop => new(true, false, false),
        SKEncodedOrigin.RightTop => new(true, false, true),
        SKEncodedOrigin.RightBottom => new(true, true, true),
        SKEncodedOrigin.LeftBottom => new(true, true, false),
        _ => default,
    };

    /// <summary>The size of the upright image.</summary>
    public ImageSize Upright(ImageSize stored) => IsTransposed ? new ImageSize(stored.Width, stored.Height) : stored;
}
