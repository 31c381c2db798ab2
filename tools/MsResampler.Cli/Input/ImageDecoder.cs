using System.Runtime.InteropServices;
using SkiaSharp;

namespace MsResampler.Cli.Input;

/// <summary>Decodes PNG, JPEG and WebP files to opaque sRGB, rotated upright by their EXIF orientation.</summary>
internal static class ImageDecoder
{
    // A file of a few kilobytes can declare a huge picture: this limits the time to decode it.
    private const long MaxPixelCount = 1L << 27;
    private const long MaxBytes = 512L << 20;
    private const int BytesPerPixel = 4;

    // JPEG rows are decoded in order. For PNG, Skia decodes any range of rows, but starts at the first row each time.
    private const int JpegBandRows = 64;
    private const long PngBandBytes = 64L << 20;

    // Limit for JPEG files that are read into memory to repair a missing end marker. The budget does not contain them.
    private const long MaxRepairedBytes = 64L << 20;

    private static readonly DecodingBudget s_budget = new(MaxBytes);

    /// <summary>Decodes a file and resizes the picture.</summary>
    /// <param name="file">The file.</param>
    /// <param name="chooseSize">Returns the target size for the size of the upright picture.</param>
    /// <exception cref="InputException">The file is damaged, too large or has another format.</exception>
    public static RgbImage Decode(InputFile file, Func<SKSizeI, SKSizeI> chooseSize)
    {
        using SKCodec codec = Open(file);
        SKEncodedOrigin origin = Origin(file, codec);
        // The last four origins exchange rows and columns.
        bool isTransposed = origin is >= SKEncodedOrigin.LeftTop;
        SKSizeI stored = codec.Info.Size;
        SKSizeI wanted = chooseSize(isTransposed ? new SKSizeI(stored.Height, stored.Width) : stored);
        SKSizeI resized = isTransposed ? new SKSizeI(wanted.Height, wanted.Width) : wanted;

        int bandRows = BandRows(codec);
        long bytes = BytesToDecode(file, codec, bandRows);
        if (bytes > MaxBytes)
        {
            throw new InputException($"{file.Name}: the {stored.Width}x{stored.Height} pixels need {bytes >> 20} MiB " +
                $"to decode; at most {MaxBytes >> 20} MiB are allowed");
        }

        using DecodingBudget.Lease lease = s_budget.Acquire(bytes);
        if (TryDecode(codec, bandRows, resized, out SKCodecResult result) is { } image)
        {
            if (codec.EncodedFormat != SKEncodedImageFormat.Jpeg || ReadJpeg(file) is not { } jpeg
                || !JpegStructure.LacksPixels(jpeg.AsSpan(0, jpeg.Length - 2)))
                return image.Upright(origin);
            throw new InputException($"{file.Name}: the picture is damaged or cut off (the last rows are missing)");
        }

        return codec.EncodedFormat == SKEncodedImageFormat.Jpeg && DecodeWithEndMarker(file, resized) is { } repaired
            ? repaired.Upright(origin)
            : throw new InputException($"{file.Name}: the picture is damaged or cut off ({result})");
    }

    /// <summary>Checks the header of a file.</summary>
    /// <exception cref="InputException">The file is not a picture, or is too large.</exception>
    public static void Check(InputFile file) => Open(file).Dispose();

    private static SKCodec Open(InputFile file)
    {
        // Opened by .NET first: Skia does not report why it cannot open a file.
        using (file.OpenRead())
        {
        }

        SKCodec? codec = SKCodec.Create(file.ReadablePath, out SKCodecResult result);
        if (codec?.EncodedFormat is not (SKEncodedImageFormat.Png or SKEncodedImageFormat.Jpeg
            or SKEncodedImageFormat.Webp))
        {
            string found = codec is null ? $"another file ({result})" : $"a {codec.EncodedFormat} picture";
            codec?.Dispose();
            throw new InputException(FileContent.IsPicture(file)
                ? $"{file.Name}: the picture is damaged or cut off ({result})"
                : $"{file.Name}: expected a PNG, JPEG or WebP picture, found {FileContent.Describe(file) ?? found}");
        }

        SKImageInfo info = codec.Info;
        if ((long)info.Width * info.Height <= MaxPixelCount)
            return codec;
        codec.Dispose();
        throw new InputException($"{file.Name}: {info.Width}x{info.Height} pixels are too many; at most " +
            $"{MaxPixelCount} are allowed");
    }

    private static SKEncodedOrigin Origin(InputFile file, SKCodec codec)
    {
        if (codec.EncodedFormat != SKEncodedImageFormat.Png)
            return codec.EncodedOrigin;
        using FileStream stream = file.OpenRead();
        return ExifOrientation.OfPng(stream);
    }

    private static int BandRows(SKCodec codec)
    {
        SKSizeI size = codec.Info.Size;
        return codec.EncodedFormat switch
        {
            SKEncodedImageFormat.Jpeg => Math.Min(JpegBandRows, size.Height),
            SKEncodedImageFormat.Png => (int)Math.Clamp(PngBandBytes / (BytesPerPixel * size.Width), 1, size.Height),
            _ => size.Height,
        };
    }

    /// <summary>Estimates the memory that Skia and its libraries allocate.</summary>
    private static long BytesToDecode(InputFile file, SKCodec codec, int bandRows)
    {
        SKSizeI size = codec.Info.Size;
        long band = (long)size.Width * bandRows * BytesPerPixel;
        if (codec.EncodedFormat == SKEncodedImageFormat.Jpeg)
        {
            using FileStream stream = file.OpenRead();
            return band + (sizeof(short) * JpegStructure.CountKeptSamples(stream));
        }

        // Interlaced PNG and lossless WebP need a second copy of the pixels. A pixel of PNG has up to 8 bytes.
        return codec.EncodedFormat == SKEncodedImageFormat.Png ? 3 * band : 2 * band;
    }

    private static RgbImage? TryDecode(SKCodec codec, int bandRows, SKSizeI resized, out SKCodecResult result)
    {
        SKSizeI size = codec.Info.Size;
        using SKColorSpace srgb = SKColorSpace.CreateSrgb();
        SKImageInfo info = new(size.Width, size.Height, SKColorType.Rgba8888, SKAlphaType.Premul, srgb);
        using SKBitmap band = new();
        if (!band.TryAllocPixels(info.WithSize(size.Width, bandRows)))
            throw new InsufficientMemoryException();
        result = codec.EncodedFormat == SKEncodedImageFormat.Jpeg
            ? codec.StartScanlineDecode(info) : SKCodecResult.Success;
        ImageResizer resizer = new(size, resized);
        for (int row = 0; row < size.Height && result == SKCodecResult.Success; row += bandRows)
        {
            int count = Math.Min(bandRows, size.Height - row);
            result = DecodeBand(codec, info, band, row, count);
            if (result == SKCodecResult.Success)
                resizer.Add(band.GetPixelSpan()[..(count * info.RowBytes)]);
        }

        return result == SKCodecResult.Success ? resizer.Finish() : null;
    }

    private static SKCodecResult DecodeBand(SKCodec codec, SKImageInfo info, SKBitmap band, int row, int count)
    {
        nint pixels = band.GetPixels();
        switch (codec.EncodedFormat)
        {
            case SKEncodedImageFormat.Jpeg:
                return codec.GetScanlines(pixels, count, info.RowBytes) == count
                    ? SKCodecResult.Success : SKCodecResult.IncompleteInput;
            case SKEncodedImageFormat.Png:
                SKCodecResult start = codec.StartIncrementalDecode(info, pixels, info.RowBytes,
                    new SKCodecOptions(SKRectI.Create(0, row, info.Width, count)));
                return start == SKCodecResult.Success ? codec.IncrementalDecode() : start;
            default:
                return codec.GetPixels(info, pixels);
        }
    }

    /// <summary>Decodes a JPEG file that has all pixels but no end marker. Returns null if pixels are
    /// missing.</summary>
    private static RgbImage? DecodeWithEndMarker(InputFile file, SKSizeI resized)
    {
        if (ReadJpeg(file) is not { } jpeg
            || JpegStructure.FindEndOfPixels(jpeg.AsSpan(0, jpeg.Length - 2)) is not { } end)
        {
            return null;
        }

        (jpeg[end], jpeg[end + 1]) = (0xFF, 0xD9);
        GCHandle pin = GCHandle.Alloc(jpeg, GCHandleType.Pinned);
        try
        {
            using SKData data = SKData.Create(pin.AddrOfPinnedObject(), end + 2);
            using SKCodec? codec = SKCodec.Create(data);
            return codec is null ? null : TryDecode(codec, BandRows(codec), resized, out _);
        }
        finally
        {
            pin.Free();
        }
    }

    /// <summary>Reads a file, with space for an end marker after it. Returns null if the file is too large.</summary>
    private static byte[]? ReadJpeg(InputFile file)
    {
        using FileStream stream = file.OpenRead();
        if (stream.Length > MaxRepairedBytes)
            return null;
        byte[] jpeg = new byte[stream.Length + 2];
        stream.ReadExactly(jpeg, 0, jpeg.Length - 2);
        return jpeg;
    }
}
