namespace MsResampler;

/// <summary>A feature is NaN or infinite.</summary>
public sealed class InvalidFeaturesException : Exception
{
    internal InvalidFeaturesException(int imageIndex, PatchGrid grid, int row, int column, int channel, float value)
        : base($"image {imageIndex} ({grid} patches): the feature at row {row}, column {column}, " +
            $"channel {channel} is {value}; every feature must be finite " +
            "(ResamplerOptions.ValidateFeatures turns this check off)")
    {
        ImageIndex = imageIndex;
        Row = row;
        Column = column;
        Channel = channel;
    }

    /// <summary>Creates the exception for a feature of a batch.</summary>
    /// <param name="features">The features of the batch.</param>
    /// <param name="index">The index of the feature.</param>
    /// <param name="grids">One patch grid per image.</param>
    /// <param name="channelCount">C.</param>
    internal static InvalidFeaturesException At(ReadOnlySpan<float> features, int index, ReadOnlySpan<PatchGrid> grids,
        int channelCount)
    {
        int image = 0;
        long rest = index;
        for (; rest >= grids[image].PatchCount * channelCount; image++)
            rest -= grids[image].PatchCount * channelCount;
        (long patch, long channel) = Math.DivRem(rest, channelCount);
        return new InvalidFeaturesException(image, grids[image], (int)(patch / grids[image].Columns),
            (int)(patch % grids[image].Columns), (int)channel, features[index]);
    }

    /// <summary>Index of the image in the batch.</summary>
    public int ImageIndex { get; }

    /// <summary>Patch row.</summary>
    public int Row { get; }

    /// <summary>Patch column.</summary>
    public int Column { get; }

    /// <summary>Feature channel.</summary>
    public int Channel { get; }
}
