using SkiaSharp;

namespace MsResampler.Cli.Input;

/// <summary>Pictures as features, without an encoder. A picture is resized and cut into patches. The feature of a patch
/// is its pixels, (v/255 − ½)/½, in the order channel, row, column, so C = 3·P².</summary>
internal sealed class ImageFeatures : IFeatureSource
{
    // The side of the largest square picture with three channels.
    private static readonly int s_maxSide = (int)Math.Sqrt(FeatureFile.MaxFeatureCount / 3);

    private readonly IReadOnlyList<InputFile> _files;
    private readonly int _patchSize;
    private readonly SKSizeI _size;

    private ImageFeatures(IReadOnlyList<InputFile> files, int patchSize, SKSizeI size)
    {
        _files = files;
        _patchSize = patchSize;
        _size = size;
        PatchGrid grid = new(size.Height / patchSize, size.Width / patchSize);
        Grids = [.. Enumerable.Repeat(grid, files.Count)];
    }

    public long ChannelCount => 3L * _patchSize * _patchSize;

    public IReadOnlyList<PatchGrid> Grids { get; }

    public IReadOnlyList<long> StoredShape => [];

    /// <summary>Opens files. Checks their headers and the sizes.</summary>
    /// <exception cref="InputException">A file is not a picture, or the size is not a multiple of the patch
    /// size.</exception>
    public static ImageFeatures Open(IReadOnlyList<string> paths, int patchSize, ImageSize size)
    {
        if (size.Height % patchSize != 0 || size.Width % patchSize != 0)
            throw new InputException($"--size {size} is not a multiple of --patch {patchSize}; the nearest " +
                $"multiple is {NearestMultiple(size, patchSize)}");
        long featureCount = 3L * size.Height * size.Width;
        if (featureCount > FeatureFile.MaxFeatureCount)
            throw new InputException($"--size {size}: an image would have {featureCount} features; at most " +
                $"{FeatureFile.MaxFeatureCount} are possible (a square with side {s_maxSide})");
        List<InputFile> files = [];
        try
        {
            foreach (string path in paths)
            {
                files.Add(InputFile.Open(path, "--image"));
                ImageDecoder.Check(files[^1]);
            }
        }
        catch
        {
            files.ForEach(file => file.Dispose());
            throw;
        }

        return new ImageFeatures(files, patchSize, new SKSizeI(size.Width, size.Height));
    }

    public string Describe(int imageIndex) => _files[imageIndex].Name;

    public string FileStem(int imageIndex) => Path.GetFileNameWithoutExtension(_files[imageIndex].Name);

    public void Read(int imageIndex, Span<float> destination)
    {
        RgbImage image = ImageDecoder.Decode(_files[imageIndex], _ => _size);
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
        => ImageDecoder.Decode(_files[imageIndex], size =>
    {
        double scale = (double)longSide / Math.Max(size.Width, size.Height);
        return new SKSizeI(Math.Max((int)(size.Width * scale), 1), Math.Max((int)(size.Height * scale), 1));
    }).ToBitmap();

    public void Dispose()
    {
        foreach (InputFile file in _files)
            file.Dispose();
    }

    private static float Normalize(RgbImage image, int x, int y, int channel)
        => ((image.Pixels[(3 * ((y * image.Width) + x)) + channel] / 255) - 0.5f) / 0.5f;

    private static ImageSize NearestMultiple(ImageSize size, int factor)
    {
        return new ImageSize(Nearest(size.Height), Nearest(size.Width));

        int Nearest(int extent) => Math.Max((extent + (factor / 2)) / factor, 1) * factor;
    }
}
