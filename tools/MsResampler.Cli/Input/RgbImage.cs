using SkiaSharp;

namespace MsResampler.Cli.Input;

/// <summary>A picture of three channels with values from 0 to 255.</summary>
/// <param name="Width">Columns.</param>
/// <param name="Height">Rows.</param>
/// <param name="Pixels">Red, green, blue of each pixel, row-major.</param>
internal sealed record RgbImage(int Width, int Height, float[] Pixels)
{
    /// <summary>Rotates and mirrors the stored picture so that it is upright.</summary>
    public RgbImage Upright(SKEncodedOrigin origin) => origin switch
    {
        SKEncodedOrigin.TopRight => Rearrange(Width, Height, (x, y) => (Width - 1 - x, y)),
        SKEncodedOrigin.BottomRight => Rearrange(Width, Height, (x, y) => (Width - 1 - x, Height - 1 - y)),
        SKEncodedOrigin.BottomLeft => Rearrange(Width, Height, (x, y) => (x, Height - 1 - y)),
        SKEncodedOrigin.LeftTop => Rearrange(Height, Width, (x, y) => (y, x)),
        SKEncodedOrigin.RightTop => Rearrange(Height, Width, (x, y) => (y, Height - 1 - x)),
        SKEncodedOrigin.RightBottom => Rearrange(Height, Width, (x, y) => (Width - 1 - y, Height - 1 - x)),
        SKEncodedOrigin.LeftBottom => Rearrange(Height, Width, (x, y) => (Width - 1 - y, x)),
        _ => this,
    };

    /// <summary>Copies the picture to a bitmap for drawing.</summary>
    public SKBitmap ToBitmap()
    {
        SKBitmap bitmap = new(Width, Height, SKColorType.Rgba8888, SKAlphaType.Opaque);
        Span<byte> bytes = bitmap.GetPixelSpan();
        for (int pixel = 0; pixel < Width * Height; pixel++)
        {
            for (int channel = 0; channel < 3; channel++)
                bytes[(4 * pixel) + channel] = (byte)(Pixels[(3 * pixel) + channel] + 0.5f);
            bytes[(4 * pixel) + 3] = byte.MaxValue;
        }

        return bitmap;
    }

    /// <summary>Returns a picture whose pixel (x, y) is the pixel <paramref name="source"/>(x, y) of this
    /// picture.</summary>
    private RgbImage Rearrange(int width, int height, Func<int, int, (int X, int Y)> source)
    {
        float[] pixels = new float[Pixels.Length];
        for (int y = 0; y < height; y++)
        {
            for (int x = 0; x < width; x++)
            {
                (int fromX, int fromY) = source(x, y);
                Pixels.AsSpan(3 * ((fromY * Width) + fromX), 3).CopyTo(pixels.AsSpan(3 * ((y * width) + x)));
            }
        }

        return new RgbImage(width, height, pixels);
    }
}
