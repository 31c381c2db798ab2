namespace MsResampler.Vision;

/// <summary>The order of the values of an encoder's output.</summary>
public enum FeatureLayout
{
    /// <summary>[B, N, C]: one row per patch, after the prefix tokens, if there are any.</summary>
    Sequence,

    /// <summary>[B, C, H, W]: one plane per channel, as convolutions give.</summary>
    ChannelsFirst,

    /// <summary>[B, H, W, C]: the channels of a patch are neighbours.</summary>
    ChannelsLast,
}
