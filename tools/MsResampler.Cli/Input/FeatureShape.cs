namespace MsResampler.Cli.Input;

/// <summary>The extents of a feature tensor.</summary>
/// <param name="ImageCount">B.</param>
/// <param name="Grid">H × W.</param>
/// <param name="ChannelCount">C.</param>
/// <param name="SkippedRowCount">Rows before the patches of each image that are not read.</param>
internal readonly record struct FeatureShape(int ImageCount, PatchGrid Grid, int ChannelCount, int SkippedRowCount)
{
    /// <summary>Elements from the start of an image to the start of the next image.</summary>
    public long Stride => (Grid.PatchCount + SkippedRowCount) * ChannelCount;

    /// <summary>The index of the first element of an image's patches.</summary>
    public long Start(int imageIndex) => (imageIndex * Stride) + ((long)SkippedRowCount * ChannelCount);
}
