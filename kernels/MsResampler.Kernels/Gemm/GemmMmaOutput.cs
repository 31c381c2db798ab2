using ILGPU;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Gemm;

/// <summary>The type as which <see cref="GemmMma{TTile, TElement, TEpilogue, TOutput}"/> stores its results.</summary>
internal interface IGemmMmaOutput
{
    /// <summary>Bytes of an element.</summary>
    static abstract int Bytes { get; }

    /// <summary>Stores four neighbours.</summary>
    /// <param name="c">Where results go.</param>
    /// <param name="group">Which group of four elements.</param>
    /// <param name="value">Their values.</param>
    static abstract void Store(ArrayView<UInt2> c, int group, Float4 value);

    /// <summary>From what magnitude on a number does not fit the type: rounding to nearest would make it infinite.</summary>
    static abstract float Limit { get; }
}

/// <summary>float32.</summary>
internal readonly struct GemmMmaFloat32 : IGemmMmaOutput
{
    public static int Bytes => 4;

    public static void Store(ArrayView<UInt2> c, int group, Float4 value)
        => GlobalMemoryAccess.Store(ref c[2 * group], value);

    public static float Limit => float.PositiveInfinity;
}

/// <summary>bfloat16, whose range is that of float32.</summary>
internal readonly struct GemmMmaBFloat16 : IGemmMmaOutput
{
    public static int Bytes => 2;

    public static void Store(ArrayView<UInt2> c, int group, Float4 value)
        => c[group] = Bits16Quad<MmaBFloat16>.Pack(value);

    public static float Limit => MmaBFloat16.Limit;
}

/// <summary>float16.</summary>
internal readonly struct GemmMmaFloat16 : IGemmMmaOutput
{
    public static int Bytes => 2;

    public static void Store(ArrayView<UInt2> c, int group, Float4 value)
        => c[group] = Bits16Quad<MmaFloat16>.Pack(value);

    public static float Limit => MmaFloat16.Limit;
}
