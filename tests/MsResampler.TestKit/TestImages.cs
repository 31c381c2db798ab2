using SkiaSharp;

namespace MsResampler.TestKit;

/// <summary>Pictures for tests of encoders.</summary>
internal static class TestImages
{
    /// <summary>A smooth random picture as PNG.</summary>
    public static byte[] Png(int height, int width, int seed)
    {
        using SKBitmap bitmap = new(new SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque));
        Random random = new(seed);
        (double a, double b, double c) = (random.NextDouble(), random.NextDouble(), random.NextDouble());
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++)
                bitmap.SetPixel(x, y, new SKColor(Wave(x * a), Wave(y * b), Wave((x + y) * c)));
        using SKData data = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        return data.ToArray();
    }

    /// <summary>Writes pictures to files, and returns their paths.</summary>
    public static string[] Write(string folder, int count, int side = 20)
    {
        Directory.CreateDirectory(folder);
        string[] paths = [.. Enumerable.Range(0, count).Select(index => Path.Combine(folder, $"{index:D3}.png"))];
        for (int index = 0; index < count; index++)
            File.WriteAllBytes(paths[index], Png(side + (index % 5), side + (index % 3), index));
        return paths;
    }

    private static byte Wave(double x) => (byte)(127.5 + (127.5 * Math.Sin(x)));
}
