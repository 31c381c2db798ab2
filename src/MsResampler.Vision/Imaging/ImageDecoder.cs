using System.Buffers;
using SkiaSharp;

namespace MsResampler.Vision;

/// <summary>Decodes an encoded image, band by band, and passes its rows to an <see cref="ImageResizer"/>.</summary>
internal sealed unsafe class ImageDecoder : IDisposable
{
    private const int BytesPerPixel = 4;

    // JPEG rows are decoded in order. For PNG, Skia decodes any range of rows, but starts at the first row each time.
    private const int JpegBandRows = 64;
    private const long PngBandBytes = 64L << 20;

    private readonly string _name;
    private readonly ReadOnlyMemory<byte> _bytes;
    private readonly ImageDecoding _decoding;
    private readonly MemoryHandle _pin;
    private readonly SKData _data;
    private readonly SKCodec _codec;

    /// <summary>Reads the header of an image.</summary>
    /// <param name="image">The encoded image; it stays alive longer than the decoder.</param>
    /// <param name="decoding">The limits and colours.</param>
    /// <exception cref="InvalidImageException">The image is not a picture, or is too large.</exception>
    public ImageDecoder(EncodedImage image, ImageDecoding decoding)
    {
        _name = image.Name;
        _bytes = image.Bytes;
        _decoding = decoding;
        _pin = _bytes.Pin();
        // An empty image has no address.
        _data = _bytes.IsEmpty ? SKData.Empty : SKData.Create((nint)_pin.Pointer, _bytes.Length);
        try
        {
            _codec = Open();
        }
        catch
        {
            _data.Dispose();
            _pin.Dispose();
            throw;
        }

        StoredSize = new ImageSize(_codec.Info.Height, _codec.Info.Width);
        Orientation = Orientation.Of(ExifOrientation.Of(Format, _bytes.Span));
    }

    /// <summary>The size of the stored image.</summary>
    public ImageSize StoredSize { get; }

    /// <summary>How the stored image becomes upright.</summary>
    public Orientation Orientation { get; }

    private SKEncodedImageFormat Format => _codec.EncodedFormat;

    /// <summary>Decodes the image.</summary>
    /// <param name="createResizer">Creates the resizer of the rows. It is called again if a file is repaired.</param>
    /// <param name="budget">The budget of the memory.</param>
    /// <param name="cancellationToken">Stops waiting for memory, and decoding between two bands.</param>
    /// <exception cref="InvalidImageException">The image is damaged, or needs more memory than the budget.</exception>
    public RgbImage Decode(Func<ImageResizer> createResizer, DecodingBudget budget, CancellationToken cancellationToken)
    {
        using ImageResizer resizer = createResizer();
        long bytes = BytesToDecode() + resizer.WorkingBytes;
        if (bytes > budget.MaxDecodingBytes)
        {
            throw new InvalidImageException(_name, $"the {StoredSize} pixels need {bytes >> 20} MiB to decode; at " +
                $"most {budget.MaxDecodingBytes >> 20} MiB are allowed, three quarters of DecodingMemory.Capacity");
        }

        if (LacksEnd)
            throw Damaged("its end is missing");
        using DecodingBudget.Lease lease = budget.AcquireDecoding(bytes, cancellationToken);
        SKCodecResult result = TryDecode(_codec, resizer, cancellationToken);
        if (result == SKCodecResult.Success)
        {
            return Format == SKEncodedImageFormat.Jpeg && JpegStructure.LacksPixels(_bytes.Span)
                ? throw Damaged("the last rows are missing") : resizer.Finish();
        }

        return Format == SKEncodedImageFormat.Jpeg && DecodeWithEndMarker(createResizer, cancellationToken) is { } image
            ? image : throw Damaged($"{result}");
    }

    public void Dispose()
    {
        _codec.Dispose();
        _data.Dispose();
        _pin.Dispose();
    }

    private SKCodec Open()
    {
        ReadOnlySpan<byte> bytes = _bytes.Span;
        if (!ImageKind.IsPicture(bytes))
        {
            throw new InvalidImageException(_name, "expected a PNG, JPEG or WebP picture, found " +
                (ImageKind.Describe(bytes) ?? "another file"));
        }

        SKCodec codec = SKCodec.Create(_data) ?? throw Damaged("its header cannot be read");
        SKImageInfo info = codec.Info;
        if ((long)info.Width * info.Height <= _decoding.MaxPixelCount)
            return codec;
        codec.Dispose();
        throw new InvalidImageException(_name, $"expected at most {_decoding.MaxPixelCount} pixels, found " +
            $"{info.Height}x{info.Width}; ImageDecoding.MaxPixelCount is the limit");
    }

    /// <summary>Whether the file ends too early, even if it has all pixels: its orientation may come after them. JPEG
    /// has it before them.</summary>
    private bool LacksEnd => Format switch
    {
        SKEncodedImageFormat.Png => !PngChunks.HasEnd(_bytes.Span),
        SKEncodedImageFormat.Webp => !WebpChunks.IsWhole(_bytes.Span),
        _ => false,
    };

    private int BandRows => Format switch
    {
        SKEncodedImageFormat.Jpeg => Math.Min(JpegBandRows, StoredSize.Height),
        SKEncodedImageFormat.Png =>
            (int)Math.Clamp(PngBandBytes / ((long)BytesPerPixel * StoredSize.Width), 1, StoredSize.Height),
        _ => StoredSize.Height,
    };

    /// <summary>Estimates the memory that Skia and its libraries allocate.</summary>
    private long BytesToDecode()
    {
        long band = (long)StoredSize.Width * BandRows * BytesPerPixel;
        return Format switch
        {
            // A file without an end marker is copied.
            SKEncodedImageFormat.Jpeg => band + (sizeof(short) * JpegStructure.CountKeptSamples(_bytes.Span))
                + _bytes.Length,
            // Interlaced PNG and lossless WebP need a second copy of the pixels. A pixel of PNG has up to 8 bytes.
            SKEncodedImageFormat.Png => 3 * band,
            _ => 2 * band,
        };
    }

    private SKCodecResult TryDecode(SKCodec codec, ImageResizer resizer, CancellationToken cancellationToken)
    {
        resizer.Start();
        (int height, int width) = StoredSize;
        bool isOpaque = codec.Info.AlphaType == SKAlphaType.Opaque;
        using SKColorSpace? srgb = _decoding.ColorManagement == ColorManagement.Ignore ? null
            : SKColorSpace.CreateSrgb();
        SKImageInfo info = new(width, height, SKColorType.Rgba8888,
            isOpaque ? SKAlphaType.Opaque : SKAlphaType.Unpremul, srgb);
        using SKBitmap band = new();
        if (!band.TryAllocPixels(info.WithSize(width, BandRows)))
            throw new InsufficientMemoryException();
        Span<byte> pixels = new((void*)band.GetPixels(), checked(BandRows * info.RowBytes));
        SKCodecResult result = Format == SKEncodedImageFormat.Jpeg
            ? codec.StartScanlineDecode(info) : SKCodecResult.Success;
        for (int row = 0; row < height && result == SKCodecResult.Success; row += BandRows)
        {
            cancellationToken.ThrowIfCancellationRequested();
            int count = Math.Min(BandRows, height - row);
            result = DecodeBand(codec, info, band.GetPixels(), row, count);
            if (result != SKCodecResult.Success)
                break;
            Span<byte> decoded = pixels[..(count * info.RowBytes)];
            if (!isOpaque)
                DrawOver(decoded, _decoding.Background);
            resizer.Add(decoded);
        }

        return result;
    }

    private static SKCodecResult DecodeBand(SKCodec codec, SKImageInfo info, nint pixels, int row, int count)
    {
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

    /// <summary>Draws pixels over a colour; the results are rounded to the nearest level.</summary>
    private static void DrawOver(Span<byte> rgba, RgbColor background)
    {
        for (int index = 0; index < rgba.Length; index += BytesPerPixel)
        {
            int alpha = rgba[index + 3];
            if (alpha == byte.MaxValue)
                continue;
            rgba[index] = Mix(rgba[index], background.Red, alpha);
            rgba[index + 1] = Mix(rgba[index + 1], background.Green, alpha);
            rgba[index + 2] = Mix(rgba[index + 2], background.Blue, alpha);
        }
    }

    private static byte Mix(int above, int below, int alpha)
        => (byte)(((above * alpha) + (below * (byte.MaxValue - alpha)) + (byte.MaxValue / 2)) / byte.MaxValue);

    /// <summary>Decodes a JPEG image that has all pixels but no end marker. Returns null if pixels are
    /// missing.</summary>
    private RgbImage? DecodeWithEndMarker(Func<ImageResizer> createResizer, CancellationToken cancellationToken)
    {
        if (JpegStructure.FindEndOfPixels(_bytes.Span) is not { } end)
            return null;
        byte[] repaired = [.. _bytes.Span[..end], 0xFF, 0xD9];
        fixed (byte* start = repaired)
        {
            using SKData data = SKData.Create((nint)start, repaired.Length);
            using SKCodec? codec = SKCodec.Create(data);
            using ImageResizer resizer = createResizer();
            return codec is not null && TryDecode(codec, resizer, cancellationToken) == SKCodecResult.Success
                ? resizer.Finish() : null;
        }
    }

    private InvalidImageException Damaged(string how)
        => new(_name, $"the picture is damaged or cut off ({how})");
}
