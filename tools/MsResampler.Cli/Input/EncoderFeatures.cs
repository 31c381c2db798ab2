using MsResampler.Vision;
using SkiaSharp;

namespace MsResampler.Cli.Input;

/// <summary>Pictures whose features are computed by a vision encoder. The prepared pictures, which are small, stay in
/// memory; the features are computed when they are read.</summary>
internal sealed class EncoderFeatures : IFeatureSource
{
    private readonly VisionEncoder _encoder;
    private readonly IReadOnlyList<string> _paths;
    private readonly RgbImage[] _images;

    private EncoderFeatures(VisionEncoder encoder, IReadOnlyList<string> paths, CancellationToken cancellationToken)
    {
        (_encoder, _paths) = (encoder, paths);
        _images = new RgbImage[paths.Count];
        ImageInput[] inputs = [.. paths.Select(ImageFeatures.OpenImage)];
        for (int index = 0; index < inputs.Length; index++)
            _images[index] = encoder.Prepare(inputs[index], cancellationToken);
        // The grid follows from the size, but only the encoder knows how.
        Dictionary<ImageSize, PatchGrid> grids = [];
        foreach (RgbImage image in _images.DistinctBy(image => image.Size))
        {
            using EncodedImages encoded = encoder.Encode([image], cancellationToken);
            grids[image.Size] = encoded.Grid;
        }

        Grids = [.. _images.Select(image => grids[image.Size])];
    }

    /// <summary>The encoder.</summary>
    public VisionEncoder Encoder => _encoder;

    public long ChannelCount => _encoder.ChannelCount;

    public IReadOnlyList<PatchGrid> Grids { get; }

    public IReadOnlyList<long> StoredShape => [];

    /// <summary>Decodes and prepares pictures.</summary>
    /// <param name="encoder">The encoder; the source disposes it.</param>
    /// <param name="paths">The files.</param>
    /// <param name="cancellationToken">Checked for every picture.</param>
    /// <exception cref="InputException">A file does not exist.</exception>
    /// <exception cref="InvalidImageException">A file is not a picture.</exception>
    public static EncoderFeatures Open(VisionEncoder encoder, IReadOnlyList<string> paths,
        CancellationToken cancellationToken)
    {
        try
        {
            return new EncoderFeatures(encoder, paths, cancellationToken);
        }
        catch
        {
            encoder.Dispose();
            throw;
        }
    }

    public string Describe(int imageIndex) => _paths[imageIndex];

    public string FileStem(int imageIndex) => Path.GetFileNameWithoutExtension(_paths[imageIndex]);

    public void Read(int imageIndex, Span<float> destination)
    {
        using EncodedImages encoded = _encoder.Encode([_images[imageIndex]]);
        encoded.Features(0).CopyTo(destination);
    }

    /// <summary>What the encoder sees, so that the maps have its patches.</summary>
    public SKBitmap? ReadPicture(int imageIndex, int longSide)
    {
        using SKBitmap seen = ImageFeatures.ToBitmap(_images[imageIndex]);
        double scale = (double)longSide / Math.Max(seen.Width, seen.Height);
        return seen.Resize(new SKSizeI(Scaled(seen.Width), Scaled(seen.Height)), SKSamplingOptions.Default);

        int Scaled(int side) => Math.Max((int)Math.Round(side * scale), 1);
    }

    public void Dispose() => _encoder.Dispose();
}
