namespace MsResampler;

/// <summary>A feature is NaN or infinite.</summary>
public sealed class InvalidFeaturesException : Exception
{
    private InvalidFeaturesException(string message, int imageIndex, int frameIndex, int row, int column, int channel)
        : base(message)
    {
        ImageIndex = imageIndex;
        FrameIndex = frameIndex;
        Row = row;
        Column = column;
        Channel = channel;
    }

    /// <summary>Creates the exception for a feature of a batch.</summary>
    /// <param name="features">The features of the batch.</param>
    /// <param name="index">The index of the feature.</param>
    /// <param name="groups">The groups of the batch.</param>
    /// <param name="channelCount">C.</param>
    internal static InvalidFeaturesException At(ReadOnlySpan<float> features, int index, FrameGroups groups,
        int channelCount)
    {
        int frame = 0;
        long rest = index;
        for (; rest >= groups.Grids[frame].PatchCount * channelCount; frame++)
            rest -= groups.Grids[frame].PatchCount * channelCount;
        int group = 0;
        int frameInGroup = frame;
        for (; frameInGroup >= groups.FrameCountOf(group); group++)
            frameInGroup -= groups.FrameCountOf(group);
        PatchGrid grid = groups.Grids[frame];
        (long patch, long channel) = Math.DivRem(rest, channelCount);
        (long row, long column) = Math.DivRem(patch, grid.Columns);
        return new InvalidFeaturesException($"{groups.NameOf(frame)} ({grid} patches): the feature at row {row}, " +
            $"column {column}, channel {channel} is {features[index]}; every feature must be finite " +
            "(ResamplerOptions.ValidateFeatures turns this check off)", group, frameInGroup, (int)row, (int)column,
            (int)channel);
    }

    /// <summary>Index of the image, or of the group of frames, in the batch.</summary>
    public int ImageIndex { get; }

    /// <summary>Index of the frame in its group; 0 for an image.</summary>
    public int FrameIndex { get; }

    /// <summary>Patch row.</summary>
    public int Row { get; }

    /// <summary>Patch column.</summary>
    public int Column { get; }

    /// <summary>Feature channel.</summary>
    public int Channel { get; }
}
