using SkiaSharp;

namespace MsResampler.Cli.Input;

/// <summary>The images of one run, read on demand so that only a few are in memory at a time. Reads may come
/// from several threads.</summary>
internal interface IFeatureSource : IDisposable
{
    /// <summary>C of every image.</summary>
    long ChannelCount { get; }

    /// <summary>One patch grid per image.</summary>
    IReadOnlyList<PatchGrid> Grids { get; }

    /// <summary>The shape of the first array as it is stored.</summary>
    IReadOnlyList<long> StoredShape { get; }

    /// <summary>What to call an image in messages: its file, and its place in it.</summary>
    string Describe(int imageIndex);

    /// <summary>What to call an image's own output files.</summary>
    string FileStem(int imageIndex);

    /// <summary>Reads the features of one image, [H·W, C] row-major.</summary>
    void Read(int imageIndex, Span<float> destination);

    /// <summary>The picture to draw maps over, with the longer side given; null where only features are
    /// known.</summary>
    SKBitmap? ReadPicture(int imageIndex, int longSide);
}
