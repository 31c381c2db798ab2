namespace MsResampler.Vision;

/// <summary>The order of the pixel values of an encoder's input.</summary>
public enum PixelLayout
{
    /// <summary>[B, C, H, W]: one plane per channel, as in PyTorch.</summary>
    ChannelsFirst,

    /// <summary>[B, H, W, C]: the channels of a pixel are neighbours, as in TensorFlow.</summary>
    ChannelsLast,
}
