using SkiaSharp;

namespace MsResampler.Cli.Input;

/// <summary>Decodes PNG, JPEG and WebP files to opaque sRGB, upright as their EXIF orientation
/// says.</summary>
internal static class ImageDecoder
{
    // 512 MiB decoded; a picture of a few kilobytes can claim to be far larger.
    private const long MaxPixelCount = 1L << 27;

    /// <summary>Decodes a file and resizes it.</summary>
    /// <param name="path">The file.</param>
    /// <param name="chooseSize">The size wanted, from the size of the upright picture.</param>
    /// <exception cref="InputException">The file is missing, damaged, too large or of another
    /// format.</exception>
    public static RgbImage Decode(string path, Func<SKSizeI, SKSizeI> chooseSize)
    {
        using SKCodec codec = Open(path);
        SKEncodedOrigin origin = codec.EncodedOrigin;
        // The last four origins exchange rows and columns.
        bool isTransposed = origin is >= SKEncodedOrigin.LeftTop;
        SKSizeI stored = codec.Info.Size;
        SKSizeI wanted = chooseSize(isTransposed ? new SKSizeI(stored.Height, stored.Width) : stored);

        using SKColorSpace srgb = SKColorSpace.CreateSrgb();
        using SKBitmap bitmap = new();
        if (!bitmap.TryAllocPixels(new SKImageInfo(stored.Width, stored.Height, SKColorType.Rgba8888,
            SKAlphaType.Premul, srgb)))
            throw new InputException($"{path}: there is not enough memory to decode " +
                $"{stored.Width}x{stored.Height} pixels");
        SKCodecResult result = codec.GetPixels(bitmap.Info, bitmap.GetPixels());
        if (result != SKCodecResult.Success)
            throw new InputException($"{path}: the picture is damaged or cut off ({result})");

        SKSizeI resized = isTransposed ? new SKSizeI(wanted.Height, wanted.Width) : wanted;
        return ImageResizer.Resize(bitmap.GetPixelSpan(), stored, resized).Upright(origin);
    }

    /// <summary>Checks that a file is a picture that can be decoded, reading its header only.</summary>
    /// <exception cref="InputException">It is not.</exception>
    public static void Check(string path) => Open(path).Dispose();

    private static SKCodec Open(string path)
    {
        if (!File.Exists(path))
            throw new InputException($"{path}: there is no such file");
        // Skia opens paths through its own streams, which say nothing about why they fail; .NET's do.
        using (File.OpenRead(path))
        {
        }

        SKCodec? codec = SKCodec.Create(path, out SKCodecResult result);
        if (codec?.EncodedFormat is not (SKEncodedImageFormat.Png or SKEncodedImageFormat.Jpeg
            or SKEncodedImageFormat.Webp))
        {
            string found = codec is null ? result.ToString() : codec.EncodedFormat.ToString();
            codec?.Dispose();
            throw new InputException($"{path}: expected a PNG, JPEG or WebP picture ({found})");
        }

        SKImageInfo info = codec.Info;
        if ((long)info.Width * info.Height <= MaxPixelCount)
            return codec;
        codec.Dispose();
        throw new InputException($"{path}: {info.Width}x{info.Height} pixels are too many; at most " +
            $"{MaxPixelCount} are decoded");
    }
}
