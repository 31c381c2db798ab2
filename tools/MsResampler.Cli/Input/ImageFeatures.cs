using SkiaSharp;

namespace MsResampler.Cli.Input;

/// <summary>Pictures as features without an encoder: each is resized and cut into patches, and a patch's
/// feature is its pixels, (v/255 − ½)/½, in the order channel, row, column; C = 3·P².</summary>
internal sealed class ImageFeatures : IFeatureSource
{
    private readonly IReadOnlyList<string> _paths;
    private readonly int _patchSize;
    private readonly SKSizeI _size;

    private ImageFeatures(IReadOnlyList<string> paths, int patchSize, SKSizeI size)
    {
        _paths = paths;
        _patchSize = patchSize;
        _size = size;
        PatchGrid grid = new(size.Height / patchSize, size.Width / patchSize);
        Grids = [.. Enumerable.Repeat(grid, paths.Count)];
    }

    public long ChannelCount => 3L * _patchSize * _patchSize;

    public IReadOnlyList<PatchGrid> Grids { get; }

    /// <summary>Checks the sizes and that every file is a picture.</summary>
    /// <exception cref="InputException">One is not, or the sizes do not fit each other.</exception>
    public static ImageFeatures Open(IReadOnlyList<string> paths, int patchSize, ImageSize size)
    {
        if (size.Height % patchSize != 0 || size.Width % patchSize != 0)
            throw new InputException($"--size {size} is not a multiple of --patch {patchSize}; the nearest " +
                $"that is: {NearestMultiple(size, patchSize)}");
        foreach (string path in paths)
            ImageDecoder.Check(path);
        return new ImageFeatures(paths, patchSize, new SKSizeI(size.Width, size.Height));
    }

    public string Describe(int imageIndex) => _paths[imageIndex];

    public string FileStem(int imageIndex) => Path.GetFileNameWithoutExtension(_paths[imageIndex]);

    public void Read(int imageIndex, Span<float> destination)
    {
        RgbImage image = ImageDecoder.Decode(_paths[imageIndex], _ => _size);
        PatchGrid grid = Grids[imageIndex];
        int index = 0;
        for (int row = 0; row < grid.Rows; row++)
            for (int column = 0; column < grid.Columns; column++)
                for (int channel = 0; channel < 3; channel++)
                    for (int y = row * _patchSize; y < (row + 1) * _patchSize; y++)
                        for (int x = column * _patchSize; x < (column + 1) * _patchSize; x++)
                            destination[index++] = Normalize(image, x, y, channel);
    }

    public SKBitmap? ReadPicture(int imageIndex, int longSide)
        => ImageDecoder.Decode(_paths[imageIndex], size =>
    {
        double scale = (double)longSide / Math.Max(size.Width, size.Height);
        return new SKSizeI(Math.Max((int)(size.Width * scale), 1), Math.Max((int)(size.Height * scale), 1));
    }).ToBitmap();

    public void Dispose()
    {
    }

    private static float Normalize(RgbImage image, int x, int y, int channel)
        => ((image.Pixels[(3 * ((y * image.Width) + x)) + channel] / 255) - 0.5f) / 0.5f;

    private static ImageSize NearestMultiple(ImageSize size, int factor)
    {
        return new ImageSize(Nearest(size.Height), Nearest(size.Width));

        int Nearest(int extent) => Math.Max((extent + (factor / 2)) / factor, 1) * factor;
    }
}
