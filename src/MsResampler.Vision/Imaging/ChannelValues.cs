namespace MsResampler.Vision;

/// <summary>One number per channel of an image.</summary>
/// <param name="Red">For red.</param>
/// <param name="Green">For green.</param>
/// <param name="Blue">For blue.</param>
public readonly record struct ChannelValues(float Red, float Green, float Blue)
{
    /// <summary>The same number for every channel.</summary>
    public ChannelValues(float value)
        : this(value, value, value)
    {
    }

    /// <summary>Whether all three numbers are finite.</summary>
    internal bool IsFinite => float.IsFinite(Red) && float.IsFinite(Green) && float.IsFinite(Blue);
}
