namespace MsResampler.Vision;

/// <summary>Decodes images and prepares them for a vision encoder. Several threads may use it at the same
/// time.</summary>
public sealed class ImagePreprocessor
{
    private const int LevelCount = 256;
    private const long MaxArrayBytes = 1L << 30;

    private readonly float[] _normalised;

    /// <param name="preprocessing">The steps.</param>
    /// <exception cref="ArgumentException">A value of the steps is impossible.</exception>
    public ImagePreprocessor(ImagePreprocessing preprocessing)
    {
        ArgumentNullException.ThrowIfNull(preprocessing);
        Require(preprocessing.RescaleFactor is > 0 and < double.PositiveInfinity, "a positive RescaleFactor",
            preprocessing.RescaleFactor);
        Require(preprocessing.Mean.IsFinite, "a finite Mean", preprocessing.Mean);
        Require(preprocessing.Std is { IsFinite: true, Red: > 0, Green: > 0, Blue: > 0 }, "a positive Std",
            preprocessing.Std);
        Require(preprocessing.Crop is null or { Height: > 0, Width: > 0 }, "a positive Crop", preprocessing.Crop);
        Require(Enum.IsDefined(preprocessing.Resampling), "a known Resampling", preprocessing.Resampling);
        Require(preprocessing.Decoding is { MaxPixelCount: > 0, MaxEncodedBytes: > 0 and <= MaxArrayBytes },
            "a positive MaxPixelCount and a MaxEncodedBytes from 1 to 2^30", preprocessing.Decoding);
        Preprocessing = preprocessing;
        _normalised = [.. Normalise(preprocessing.Mean.Red, preprocessing.Std.Red),
            .. Normalise(preprocessing.Mean.Green, preprocessing.Std.Green),
            .. Normalise(preprocessing.Mean.Blue, preprocessing.Std.Blue)];
    }

    /// <summary>The steps.</summary>
    public ImagePreprocessing Preprocessing { get; }

    /// <summary>Decodes an image, turns it upright, resizes and crops it.</summary>
    /// <param name="image">The encoded image.</param>
    /// <param name="cancellationToken">Stops waiting for memory, and decoding between two bands of rows.</param>
    /// <exception cref="InvalidImageException">The image cannot be read, is damaged, too large or not a
    /// picture.</exception>
    public RgbImage Prepare(ImageInput image, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(image);
        return Prepare(image, DecodingMemory.Budget, cancellationToken);
    }

    /// <summary>Reads the header of an image.</summary>
    /// <param name="image">The encoded image.</param>
    /// <param name="cancellationToken">Stops waiting for memory, and reading.</param>
    /// <returns>The size of the upright image before resizing.</returns>
    /// <exception cref="InvalidImageException">The image cannot be read, is too large or not a picture.</exception>
    public ImageSize ReadSize(ImageInput image, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(image);
        ImageDecoding decoding = Preprocessing.Decoding;
        using EncodedImage encoded = image.Read(decoding.MaxEncodedBytes, DecodingMemory.Budget, cancellationToken);
        using ImageDecoder decoder = new(encoded, decoding);
        return decoder.Orientation.Upright(decoder.StoredSize);
    }

    /// <summary>Prepares an image within a budget.</summary>
    internal RgbImage Prepare(ImageInput image, DecodingBudget budget, CancellationToken cancellationToken)
    {
        ImageDecoding decoding = Preprocessing.Decoding;
        using EncodedImage encoded = image.Read(decoding.MaxEncodedBytes, budget, cancellationToken);
        using ImageDecoder decoder = new(encoded, decoding);
        (ImageSize resized, ImageSize size) = SizesOf(image, decoder.Orientation.Upright(decoder.StoredSize));
        return decoder.Decode(() => new ImageResizer(decoder.StoredSize, decoder.Orientation, resized, size,
            Preprocessing.Resampling), budget, cancellationToken);
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

    private static void Require(bool isPossible, string expected, object? found)
    {
        if (!isPossible)
            throw new ArgumentException($"expected {expected}, found {found}");
    }

    private (ImageSize Resized, ImageSize Size) SizesOf(ImageInput image, ImageSize upright)
    {
        ImageSize resized;
        try
        {
            resized = Preprocessing.Resize.SizeOf(upright);
        }
        catch (Exception e) when (e is ArgumentException or OverflowException)
        {
            throw new InvalidImageException(image.Name, $"{upright} pixels cannot be resized: {e.Message}", e);
        }

        ImageSize size = Preprocessing.Crop ?? resized;
        long maxPixelCount = Math.Min(Preprocessing.Decoding.MaxPixelCount, Array.MaxLength / 3);
        return (long)size.Height * size.Width <= maxPixelCount ? (resized, size)
            : throw new InvalidImageException(image.Name, $"expected at most {maxPixelCount} pixels after resizing, " +
                $"found {size} from {upright}");
    }
}
