namespace MsResampler.Vision;

/// <summary>The rule that gives an upright image its new size.</summary>
public abstract record ResizeRule
{
    private const int MaxNativeRatio = 200;

    private ResizeRule()
    {
    }

    /// <summary>An image keeps its size.</summary>
    public static ResizeRule None { get; } = new Unchanged();

    /// <summary>Every image gets the same size; its proportions are not kept.</summary>
    /// <param name="height">Rows.</param>
    /// <param name="width">Columns.</param>
    /// <exception cref="ArgumentOutOfRangeException">A side is not positive.</exception>
    public static ResizeRule Exact(int height, int width)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(height);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width);
        return new ToSize(new ImageSize(height, width));
    }

    /// <summary>The shorter side gets a length; the longer one follows the proportions, rounded down.</summary>
    /// <param name="length">The length in pixels.</param>
    /// <exception cref="ArgumentOutOfRangeException">The length is not positive.</exception>
    public static ResizeRule ShortestEdge(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        return new ToShortestEdge(length);
    }

    /// <summary>The longer side gets a length; the shorter one follows the proportions, rounded down, at least
    /// 1.</summary>
    /// <param name="length">The length in pixels.</param>
    /// <exception cref="ArgumentOutOfRangeException">The length is not positive.</exception>
    public static ResizeRule LongestEdge(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        return new ToLongestEdge(length);
    }

    /// <summary>For encoders of native resolution, as <c>smart_resize</c> of Qwen2-VL: both sides become the nearest
    /// multiple, and the image is enlarged or reduced if the number of pixels is outside the range.</summary>
    /// <param name="multiple">The divisor of both sides, such as the patch size times the merge size.</param>
    /// <param name="minPixels">The result has at least this many pixels.</param>
    /// <param name="maxPixels">The result has at most this many pixels. Not less than <paramref name="minPixels"/>, and
    /// not less than the square of <paramref name="multiple"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is not positive, or the range is empty.</exception>
    public static ResizeRule Native(int multiple, long minPixels, long maxPixels)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(multiple);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(minPixels);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxPixels, Math.Max(minPixels, (long)multiple * multiple));
        return new ToMultiple(multiple, minPixels, maxPixels);
    }

    /// <summary>The new size of an image.</summary>
    /// <param name="upright">The size of the upright image.</param>
    /// <exception cref="ArgumentException">A native rule does not apply to an image whose sides have a ratio above
    /// 200.</exception>
    /// <exception cref="OverflowException">A side is longer than 2³¹ − 1.</exception>
    public abstract ImageSize SizeOf(ImageSize upright);

    /// <summary>The rule and the crop for an encoder with a fixed input size.</summary>
    internal abstract (ResizeRule Resize, ImageSize? Crop) For(ImageSize input, ImageSize? crop);

    private static int ScaleSide(int side, int to, int from)
        => checked((int)Math.Max(Math.Round((double)side * to / from), 1));

    private sealed record Unchanged : ResizeRule
    {
        public override ImageSize SizeOf(ImageSize upright) => upright;

        public override string ToString() => "None";

        internal override (ResizeRule Resize, ImageSize? Crop) For(ImageSize input, ImageSize? crop)
            => (this, crop is null ? null : input);
    }

    private sealed record ToSize(ImageSize Size) : ResizeRule
    {
        public override ImageSize SizeOf(ImageSize upright) => Size;

        public override string ToString() => $"Exact({Size.Height}, {Size.Width})";

        internal override (ResizeRule Resize, ImageSize? Crop) For(ImageSize input, ImageSize? crop)
            => crop is { } kept
                ? (Exact(ScaleSide(Size.Height, input.Height, kept.Height),
                    ScaleSide(Size.Width, input.Width, kept.Width)), input)
                : (Exact(input.Height, input.Width), null);
    }

    private sealed record ToShortestEdge(int Length) : ResizeRule
    {
        public override ImageSize SizeOf(ImageSize upright) => upright.Height <= upright.Width
            ? new ImageSize(Length, Scale(upright.Width, upright.Height))
            : new ImageSize(Scale(upright.Height, upright.Width), Length);

        public override string ToString() => $"ShortestEdge({Length})";

        // An image of any proportions covers a crop whose longer side is at most the shortest edge.
        internal override (ResizeRule Resize, ImageSize? Crop) For(ImageSize input, ImageSize? crop)
        {
            int longer = Math.Max(input.Height, input.Width);
            return (ShortestEdge(crop is { } kept ? ScaleSide(Length, longer, Math.Max(kept.Height, kept.Width))
                : longer), input);
        }

        private int Scale(int longer, int shorter) => checked((int)((long)Length * longer / shorter));
    }

    private sealed record ToLongestEdge(int Length) : ResizeRule
    {
        public override ImageSize SizeOf(ImageSize upright) => upright.Height >= upright.Width
            ? new ImageSize(Length, Scale(upright.Width, upright.Height))
            : new ImageSize(Scale(upright.Height, upright.Width), Length);

        public override string ToString() => $"LongestEdge({Length})";

        internal override (ResizeRule Resize, ImageSize? Crop) For(ImageSize input, ImageSize? crop)
            => (Exact(input.Height, input.Width), null);

        private int Scale(int shorter, int longer) => (int)Math.Max((long)Length * shorter / longer, 1);
    }

    private sealed record ToMultiple(int Multiple, long MinPixels, long MaxPixels) : ResizeRule
    {
        public override ImageSize SizeOf(ImageSize upright)
        {
            (int height, int width) = upright;
            if (Math.Max(height, width) > (long)MaxNativeRatio * Math.Min(height, width))
            {
                throw new ArgumentException($"expected sides with a ratio of at most {MaxNativeRatio}, found {upright}",
                    nameof(upright));
            }

            // As in Python, a half is rounded to the even neighbour.
            double rows = Math.Round((double)height / Multiple) * Multiple;
            double columns = Math.Round((double)width / Multiple) * Multiple;
            double pixels = (double)height * width;
            if (rows * columns > MaxPixels)
            {
                double reduction = Math.Sqrt(pixels / MaxPixels);
                rows = Math.Max(Math.Floor(height / reduction / Multiple) * Multiple, Multiple);
                columns = Math.Max(Math.Floor(width / reduction / Multiple) * Multiple, Multiple);
            }
            else if (rows * columns < MinPixels)
            {
                double enlargement = Math.Sqrt(MinPixels / pixels);
                rows = Math.Ceiling(height * enlargement / Multiple) * Multiple;
                columns = Math.Ceiling(width * enlargement / Multiple) * Multiple;
            }

            return new ImageSize(checked((int)rows), checked((int)columns));
        }

        public override string ToString() => $"Native({Multiple}, {MinPixels}, {MaxPixels})";

        internal override (ResizeRule Resize, ImageSize? Crop) For(ImageSize input, ImageSize? crop)
            => (Exact(input.Height, input.Width), null);
    }
}
