namespace MsResampler.Kernels.Tiles;

/// <summary>A type of 16 bits in which activations are kept, two to a register.</summary>
internal interface IBits16Element : IMmaElement
{
    /// <summary>Two numbers, each rounded to the nearest, <paramref name="low"/> in the low half.</summary>
    static abstract uint Pack(float low, float high);

    /// <summary>The number in the low half.</summary>
    static abstract float Low(uint pair);

    /// <summary>The number in the high half.</summary>
    static abstract float High(uint pair);
}
