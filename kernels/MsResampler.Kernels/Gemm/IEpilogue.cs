using MsResampler.Kernels.Gate;

namespace MsResampler.Kernels.Gemm;

/// <summary>What becomes of a product's elements before they are stored.</summary>
internal interface IEpilogue
{
    /// <summary>The element's final value, bias included.</summary>
    static abstract float Apply(float value);
}

/// <summary>Stores elements as they are.</summary>
internal readonly struct LinearEpilogue : IEpilogue, IGemmMmaEpilogue
{
    public static bool StoresSquares => false;

    public static bool IsScaled => false;

    public static float Apply(float value) => value;
}

/// <summary>The exact GELU.</summary>
internal readonly struct GeluEpilogue : IEpilogue, IGemmMmaEpilogue
{
    public static bool StoresSquares => false;

    public static bool IsScaled => false;

    public static float Apply(float value) => Gelu.Of(value);
}
