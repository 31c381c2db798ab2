using SkiaSharp;

namespace MsResampler.Vision.Tests.Imaging;

/// <summary>Encoded pictures.</summary>
internal static class Pictures
{
    /// <summary>Encodes a picture whose pixel (x, y) has the given colour.</summary>
    public static byte[] Encode(int width, int height, Func<int, int, SKColor> color,
        SKEncodedImageFormat format = SKEncodedImageFormat.Png)
    {
        using SKBitmap bitmap = new(width, height, SKColorType.Rgba8888, SKAlphaType.Unpremul);
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++)
                bitmap.SetPixel(x, y, color(x, y));
        using SKData data = bitmap.Encode(format, quality: 100);
        return data.ToArray();
    }

    /// <summary>A grey level.</summary>
    public static SKColor Gray(int level) => new((byte)level, (byte)level, (byte)level);
}
