using MsResampler.Kernels.Gate;

namespace MsResampler.Kernels.Gemm;

/// <summary>The final operation of a product on its elements before they are stored.</summary>
internal interface IEpilogue
{
    /// <summary>The final value of an element that includes the bias.</summary>
    static abstract float Apply(float value);
}

/// <summary>Stores elements unchanged.</summary>
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
