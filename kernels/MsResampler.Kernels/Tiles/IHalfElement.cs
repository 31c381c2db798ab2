using MsResampler.Kernels.Ptx;

namespace MsResampler.Kernels.Tiles;

/// <summary>A 16-bit element, of which results are made too.</summary>
internal interface IHalfElement : IMmaElement
{
    /// <summary>Two elements, each the nearest to a float, <paramref name="low"/> in the low half.</summary>
    static abstract uint Pack(float low, float high);

    /// <summary>Whether a value does not fit the type, or is no number.</summary>
    static abstract bool IsOutside(Float4 value);
}
