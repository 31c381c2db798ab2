namespace MsResampler.Kernels.Tiles;

/// <summary>A 16-bit element type of activations; a 32-bit register holds two of them.</summary>
internal interface IBits16Element : IMmaElement
{
    /// <summary>Rounds two numbers to nearest and packs them, <paramref name="low"/> into the low half.</summary>
    static abstract uint Pack(float low, float high);

    /// <summary>The element in the low half, as a float.</summary>
    static abstract float Low(uint pair);

    /// <summary>The element in the high half, as a float.</summary>
    static abstract float High(uint pair);
}
