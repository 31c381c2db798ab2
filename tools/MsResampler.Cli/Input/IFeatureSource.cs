using SkiaSharp;

namespace MsResampler.Cli.Input;

/// <summary>The images of a run. They are read when needed, so that only a few are in memory together. Several threads
/// may read at the same time.</summary>
internal interface IFeatureSource : IDisposable
{
    /// <summary>The number of channels of every image, C.</summary>
    long ChannelCount { get; }

    /// <summary>The patch grid of each image.</summary>
    IReadOnlyList<PatchGrid> Grids { get; }

    /// <summary>The stored shape of the first array.</summary>
    IReadOnlyList<long> StoredShape { get; }

    /// <summary>Names an image in messages: its file, and its position in the file.</summary>
    string Describe(int imageIndex);

    /// <summary>The start of the names of an image's output files.</summary>
    string FileStem(int imageIndex);

    /// <summary>Reads the features of an image, [H·W, C], row-major.</summary>
    void Read(int imageIndex, Span<float> destination);

    /// <summary>Reads the picture to draw maps over, resized to a longer side of <paramref name="longSide"/>; null if
    /// there are only features.</summary>
    SKBitmap? ReadPicture(int imageIndex, int longSide);
}
