using MsResampler.Vision;
using SkiaSharp;

namespace MsResampler.Cli.Input;

/// <summary>Pictures as features, without an encoder. A picture is resized and cut into patches. The feature of a patch
/// is its pixels, (v/255 − ½)/½, in the order channel, row, column, so C = 3·P².</summary>
internal sealed class ImageFeatures : IFeatureSource
{
    // The side of the largest square picture with three channels.
    private static readonly int s_maxSide = (int)Math.Sqrt(FeatureFile.MaxFeatureCount / 3);

    private readonly IReadOnlyList<ImageInput> _images;
    private readonly int _patchSize;
    private readonly ImageSize _size;
    private readonly ImagePreprocessor _preprocessor;

    private ImageFeatures(IReadOnlyList<ImageInput> images, int patchSize, ImageSize size, ImageDecoding decoding)
    {
        _images = images;
        _patchSize = patchSize;
        _size = size;
        _preprocessor = new ImagePreprocessor(new()
        {
            Resize = ResizeRule.Exact(size.Height, size.Width),
            Decoding = decoding,
        });
        PatchGrid grid = new(size.Height / patchSize, size.Width / patchSize);
        Grids = [.. Enumerable.Repeat(grid, images.Count)];
    }

    public long ChannelCount => 3L * _patchSize * _patchSize;

    public IReadOnlyList<PatchGrid> Grids { get; }

    public IReadOnlyList<long> StoredShape => [];

    /// <summary>Opens files. Checks their headers and the sizes.</summary>
    /// <exception cref="InputException">A file does not exist, or the size is not a multiple of the patch
    /// size.</exception>
    /// <exception cref="InvalidImageException">A file is not a picture.</exception>
    public static ImageFeatures Open(IReadOnlyList<string> paths, int patchSize, ImageSize size,
        ImageDecoding? decoding = null)
    {
        if (size.Height % patchSize != 0 || size.Width % patchSize != 0)
            throw new InputException($"--size {Text(size)} is not a multiple of --patch {patchSize}; the nearest " +
                $"multiple is {Text(NearestMultiple(size, patchSize))}");
        long featureCount = 3L * size.Height * size.Width;
        if (featureCount > FeatureFile.MaxFeatureCount)
            throw new InputException($"--size {Text(size)}: an image would have {featureCount} features; at most " +
                $"{FeatureFile.MaxFeatureCount} are possible (a square with side {s_maxSide})");
        ImageFeatures features = new([.. paths.Select(OpenImage)], patchSize, size, decoding ?? new());
        foreach (ImageInput image in features._images)
            features._preprocessor.ReadSize(image);
        return features;
    }

    public string Describe(int imageIndex) => _images[imageIndex].Name;

    public string FileStem(int imageIndex) => Path.GetFileNameWithoutExtension(_images[imageIndex].Name);

    public void Read(int imageIndex, Span<float> destination)
    {
        float[] pixels = new float[destination.Length];
        _preprocessor.Write(_preprocessor.Prepare(_images[imageIndex]), PixelLayout.ChannelsFirst, pixels);
        PatchGrid grid = Grids[imageIndex];
        int index = 0;
        for (int row = 0; row < grid.Rows; row++)
            for (int column = 0; column < grid.Columns; column++)
                for (int channel = 0; channel < 3; channel++)
                    for (int y = row * _patchSize; y < (row + 1) * _patchSize; y++, index += _patchSize)
                        pixels.AsSpan((((channel * _size.Height) + y) * _size.Width) + (column * _patchSize),
                            _patchSize).CopyTo(destination[index..]);
    }

    public SKBitmap? ReadPicture(int imageIndex, int longSide)
    {
        ImagePreprocessor preprocessor = new(new()
        {
            Resize = ResizeRule.LongestEdge(longSide),
            Decoding = _preprocessor.Preprocessing.Decoding,
        });
        return ToBitmap(preprocessor.Prepare(_images[imageIndex]));
    }

    public void Dispose()
    {
    }

    /// <summary>A pipe is read now, because it can be read only once.</summary>
    public static ImageInput OpenImage(string path)
    {
        InputFile.Require(path, "--image");
        using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        if (stream.CanSeek)
            return ImageInput.FromFile(path);
        using EncodedImage encoded = ImageInput.FromStream(stream, path, leaveOpen: true)
            .Read(new ImageDecoding().MaxEncodedBytes, DecodingMemory.Budget, CancellationToken.None);
        return ImageInput.FromBytes(encoded.Bytes, path);
    }

    /// <summary>Copies a picture for drawing.</summary>
    public static SKBitmap ToBitmap(RgbImage image)
    {
        SKBitmap bitmap = new(image.Size.Width, image.Size.Height, SKColorType.Rgba8888, SKAlphaType.Opaque);
        Span<byte> bytes = bitmap.GetPixelSpan();
        for (int pixel = 0; pixel < image.Pixels.Length / 3; pixel++)
        {
            image.Pixels.AsSpan(3 * pixel, 3).CopyTo(bytes[(4 * pixel)..]);
            bytes[(4 * pixel) + 3] = byte.MaxValue;
        }

        return bitmap;
    }

    /// <summary>A size as written by the user.</summary>
    private static string Text(ImageSize size) => size.Height == size.Width ? $"{size.Height}" : $"{size}";

    private static ImageSize NearestMultiple(ImageSize size, int factor)
    {
        return new ImageSize(Nearest(size.Height), Nearest(size.Width));

        int Nearest(int extent) => Math.Max((extent + (factor / 2)) / factor, 1) * factor;
    }
}
