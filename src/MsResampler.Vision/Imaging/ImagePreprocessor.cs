using SkiaSharp;

namespace MsResampler.Vision;

/// <summary>Decodes images and prepares them for a vision encoder. Several threads may use it at the same
/// time.</summary>
public sealed class ImagePreprocessor
{
    private const int LevelCount = 256;

    private readonly float[] _normalised;

    /// <param name="preprocessing">The steps.</param>
    /// <exception cref="ArgumentException">A value of the steps is impossible.</exception>
    public ImagePreprocessor(ImagePreprocessing preprocessing)
    {
        ArgumentNullException.ThrowIfNull(preprocessing);
        Preprocessing = preprocessing;
        _normalised = [.. Normalise(preprocessing.Mean.Red, preprocessing.Std.Red),
            .. Normalise(preprocessing.Mean.Green, preprocessing.Std.Green),
            .. Normalise(preprocessing.Mean.Blue, preprocessing.Std.Blue)];
    }

    /// <summary>The steps.</summary>
    public ImagePreprocessing Preprocessing { get; }

    /// <summary>Decodes an image, turns it upright, resizes and crops it.</summary>
    /// <param name="image">The encoded image.</param>
    /// <param name="cancellationToken">Ends the call between two steps.</param>
    /// <exception cref="InvalidImageException">The image cannot be read, is damaged, too large or not a
    /// picture.</exception>
    public RgbImage Prepare(ImageInput image, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(image);
        ReadOnlyMemory<byte> bytes = image.Read(Preprocessing.Decoding.MaxEncodedBytes, _ => { }, cancellationToken);
        using SKBitmap decoded = SKBitmap.Decode(bytes.Span)
            ?? throw new InvalidImageException(image.Name, "expected a PNG, JPEG or WebP picture");
        ImageSize size = Preprocessing.Resize.SizeOf(new ImageSize(decoded.Height, decoded.Width));
        using SKBitmap resized = decoded.Resize(new SKSizeI(size.Width, size.Height),
            new SKSamplingOptions(SKCubicResampler.CatmullRom));
        return Crop(resized, Preprocessing.Crop ?? size);
    }

    /// <summary>Rescales and normalises a prepared image.</summary>
    /// <param name="image">The image.</param>
    /// <param name="layout">The order of the values.</param>
    /// <param name="destination">Receives the values of the image, 3·H·W, float32.</param>
    /// <exception cref="ArgumentException">The destination has another length.</exception>
    public void Write(RgbImage image, PixelLayout layout, Span<float> destination)
    {
        ArgumentNullException.ThrowIfNull(image);
        ReadOnlySpan<byte> pixels = image.Pixels;
        if (destination.Length != pixels.Length)
        {
            throw new ArgumentException($"expected {pixels.Length} values for {image.Size} pixels, found " +
                $"{destination.Length}", nameof(destination));
        }

        int pixelCount = pixels.Length / 3;
        (int pixelStride, int channelStride) = layout == PixelLayout.ChannelsFirst ? (1, pixelCount) : (3, 1);
        for (int channel = 0; channel < 3; channel++)
        {
            ReadOnlySpan<float> normalised = _normalised.AsSpan(channel * LevelCount, LevelCount);
            for (int pixel = 0; pixel < pixelCount; pixel++)
            {
                destination[(pixel * pixelStride) + (channel * channelStride)] =
                    normalised[pixels[(3 * pixel) + channel]];
            }
        }
    }

    /// <summary>The values of the 256 levels, with the roundings of transformers: the product in double precision, the
    /// rest in single precision.</summary>
    private float[] Normalise(float mean, float std)
    {
        float[] values = new float[LevelCount];
        for (int level = 0; level < LevelCount; level++)
            values[level] = ((float)(level * Preprocessing.RescaleFactor) - mean) / std;
        return values;
    }

    private static RgbImage Crop(SKBitmap bitmap, ImageSize size)
    {
        byte[] pixels = new byte[checked(3 * size.Height * size.Width)];
        // The half is rounded down for negative differences too.
        (int top, int left) = ((bitmap.Height - size.Height) >> 1, (bitmap.Width - size.Width) >> 1);
        for (int y = Math.Max(0, -top); y < Math.Min(size.Height, bitmap.Height - top); y++)
        {
            for (int x = Math.Max(0, -left); x < Math.Min(size.Width, bitmap.Width - left); x++)
            {
                SKColor color = bitmap.GetPixel(x + left, y + top);
                int index = 3 * ((y * size.Width) + x);
                (pixels[index], pixels[index + 1], pixels[index + 2]) = (color.Red, color.Green, color.Blue);
            }
        }

        return new RgbImage(size, pixels);
    }
}
