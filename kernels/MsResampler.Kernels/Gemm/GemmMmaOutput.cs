using ILGPU;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Gemm;

/// <summary>The type of the results of <see cref="GemmMma{TTile, TElement, TEpilogue, TOutput}"/>.</summary>
internal interface IGemmMmaOutput
{
    /// <summary>The size of an element in bytes.</summary>
    static abstract int Bytes { get; }

    /// <summary>Stores a quad: four neighbouring elements.</summary>
    /// <param name="c">C.</param>
    /// <param name="quad">The index of the quad.</param>
    /// <param name="value">The elements.</param>
    static abstract void Store(ArrayView<UInt2> c, int quad, Float4 value);

    /// <summary>The smallest magnitude that the type cannot hold: rounding to nearest would make it
    /// infinite.</summary>
    static abstract float Limit { get; }
}

/// <summary>float32.</summary>
internal readonly struct GemmMmaFloat32 : IGemmMmaOutput
{
    public static int Bytes => 4;

    public static void Store(ArrayView<UInt2> c, int quad, Float4 value)
        => GlobalMemoryAccess.Store(ref c[2 * quad], value);

    public static float Limit => float.PositiveInfinity;
}

/// <summary>bfloat16, with nearly the range of float32.</summary>
internal readonly struct GemmMmaBFloat16 : IGemmMmaOutput
{
    public static int Bytes => 2;

    public static void Store(ArrayView<UInt2> c, int quad, Float4 value)
        => c[quad] = Bits16Quad<MmaBFloat16>.Pack(value);

    public static float Limit => MmaBFloat16.Limit;
}

/// <summary>float16.</summary>
internal readonly struct GemmMmaFloat16 : IGemmMmaOutput
{
    public static int Bytes => 2;

    public static void Store(ArrayView<UInt2> c, int quad, Float4 value)
        => c[quad] = Bits16Quad<MmaFloat16>.Pack(value);

    public static float Limit => MmaFloat16.Limit;
}
