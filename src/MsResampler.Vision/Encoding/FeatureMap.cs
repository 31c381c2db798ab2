using System.Globalization;

namespace MsResampler.Vision;

/// <summary>How the output of an encoder is read as patch features.</summary>
/// <param name="Layout">The order of the values.</param>
/// <param name="PrefixTokenCount">Rows before the first patch; 0 unless the layout is
/// <see cref="FeatureLayout.Sequence"/>.</param>
/// <param name="Grid">The patch grid.</param>
/// <param name="ChannelCount">C.</param>
internal sealed record FeatureMap(FeatureLayout Layout, int PrefixTokenCount, PatchGrid Grid, int ChannelCount)
{
    /// <summary>The rows of an image in the output, prefix tokens included.</summary>
    public int RowCount => PrefixTokenCount + (int)Grid.PatchCount;

    /// <summary>Finds the layout, the grid and the prefix tokens from the shape of an output.</summary>
    /// <param name="name">The output, for messages.</param>
    /// <param name="shape">Its shape.</param>
    /// <param name="input">The size of the encoder's input.</param>
    /// <param name="inputLayout">The layout of the input, which decides if the shape fits two layouts.</param>
    /// <param name="options">What the user has named.</param>
    /// <exception cref="InvalidEncoderException">The shape cannot be read as patch features.</exception>
    public static FeatureMap Find(string name, ReadOnlySpan<long> shape, ImageSize input, PixelLayout inputLayout,
        VisionEncoderOptions options)
    {
        foreach (long extent in shape)
        {
            if (extent is < 1 or > int.MaxValue)
                throw Unreadable(name, shape, input, "expected extents of at least 1");
        }

        return (shape.Length, options.OutputLayout) switch
        {
            (3, null or FeatureLayout.Sequence) => FindSequence(name, shape, input, options.PrefixTokenCount),
            (4, null) => FindMap(name, shape, input, inputLayout),
            (4, FeatureLayout.ChannelsFirst) => Map(FeatureLayout.ChannelsFirst, shape),
            (4, FeatureLayout.ChannelsLast) => Map(FeatureLayout.ChannelsLast, shape),
            (_, null) => throw Unreadable(name, shape, input, "expected [B,N,C], [B,C,H,W] or [B,H,W,C]"),
            (_, FeatureLayout.Sequence) => throw Unreadable(name, shape, input, "expected [B,N,C]"),
            _ => throw Unreadable(name, shape, input, "expected four axes"),
        };
    }

    private static FeatureMap FindSequence(string name, ReadOnlySpan<long> shape, ImageSize input, int? prefix)
    {
        (int rows, int channels) = ((int)shape[1], (int)shape[2]);
        if (prefix is { } named)
        {
            return GridOf(rows - named, input, out _) is { } grid
                ? new FeatureMap(FeatureLayout.Sequence, named, grid, channels)
                : throw Unreadable(name, shape, input, string.Create(CultureInfo.InvariantCulture,
                    $"expected a patch grid after {named} prefix tokens"));
        }

        PatchGrid? plain = GridOf(rows, input, out bool isPlainExact);
        PatchGrid? afterClass = GridOf(rows - 1, input, out bool isAfterClassExact);
        if (plain is not null && afterClass is not null && isPlainExact == isAfterClassExact)
            throw Unreadable(name, shape, input, "the rows fit with and without a class token: name PrefixTokenCount");
        bool hasClass = afterClass is not null && (plain is null || isAfterClassExact);
        return (hasClass ? afterClass : plain) is { } found
            ? new FeatureMap(FeatureLayout.Sequence, hasClass ? 1 : 0, found, channels)
            : throw Unreadable(name, shape, input, "expected one row per patch, after at most one class token; if " +
                "there are more tokens before the patches, name PrefixTokenCount");
    }

    private static FeatureMap FindMap(string name, ReadOnlySpan<long> shape, ImageSize input, PixelLayout inputLayout)
    {
        FeatureMap first = Map(FeatureLayout.ChannelsFirst, shape);
        FeatureMap last = Map(FeatureLayout.ChannelsLast, shape);
        long firstDeviation = Deviation(first.Grid, input);
        long lastDeviation = Deviation(last.Grid, input);
        // Rounding to whole patches changes the proportion by less than one row or column.
        if (Math.Min(firstDeviation, lastDeviation) >= Math.Max(input.Width, input.Height))
            throw Unreadable(name, shape, input, "no two axes have the shape of the image: name OutputLayout");
        bool isFirst = firstDeviation == lastDeviation ? inputLayout == PixelLayout.ChannelsFirst
            : firstDeviation < lastDeviation;
        return isFirst ? first : last;
    }

    private static FeatureMap Map(FeatureLayout layout, ReadOnlySpan<long> shape)
        => layout == FeatureLayout.ChannelsFirst
            ? new FeatureMap(layout, 0, new PatchGrid((int)shape[2], (int)shape[3]), (int)shape[1])
            : new FeatureMap(layout, 0, new PatchGrid((int)shape[1], (int)shape[2]), (int)shape[3]);

    /// <summary>The grid of a number of square patches of one size that cover the image, up to a rest smaller than a
    /// patch at its end; null if there is none.</summary>
    /// <param name="patchCount">The number of patches.</param>
    /// <param name="input">The image.</param>
    /// <param name="isExact">Whether they leave no rest.</param>
    private static PatchGrid? GridOf(int patchCount, ImageSize input, out bool isExact)
    {
        isExact = false;
        PatchGrid? found = null;
        int shorter = Math.Min(input.Height, input.Width);
        for (int size = 1; size <= shorter && patchCount > 0; size++)
        {
            (int rows, int columns) = (input.Height / size, input.Width / size);
            if ((long)rows * columns < patchCount)
                break;
            if ((long)rows * columns > patchCount)
                continue;
            found = new PatchGrid(rows, columns);
            isExact |= input.Height % size == 0 && input.Width % size == 0;
        }

        // A square image has a square grid, also if patches overlap or are resampled.
        int side = (int)Math.Sqrt(Math.Max(patchCount, 0));
        if (found is null && input.Height == input.Width && side > 0 && side * side == patchCount)
            found = new PatchGrid(side, side);
        return found;
    }

    /// <summary>How much the proportion of a grid differs from that of the image; 0 for none.</summary>
    private static long Deviation(PatchGrid grid, ImageSize input)
        => grid.Rows > input.Height || grid.Columns > input.Width ? long.MaxValue
            : Math.Abs(((long)grid.Rows * input.Width) - ((long)grid.Columns * input.Height));

    private static InvalidEncoderException Unreadable(string name, ReadOnlySpan<long> shape, ImageSize input,
        string problem)
        => new($"output '{name}': {problem}; found [{string.Join(',', shape.ToArray())}] for an image of {input} " +
            "pixels");
}
