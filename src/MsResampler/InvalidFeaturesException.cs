namespace MsResampler;

/// <summary>A feature value that is NaN or infinite.</summary>
public sealed class InvalidFeaturesException : Exception
{
    internal InvalidFeaturesException(int imageIndex, PatchGrid grid, int row, int column, int channel, float value)
        : base($"image {imageIndex} ({grid} patches): the feature at row {row}, column {column}, " +
            $"channel {channel} is " +
            $"{value}; every feature must be finite (ResamplerOptions.ValidateFeatures turns this check off)")
    {
        ImageIndex = imageIndex;
        Row = row;
        Column = column;
        Channel = channel;
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
