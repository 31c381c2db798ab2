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

    /// <summary>Whether a value does not fit the type, or is no number.</summary>
    static abstract bool IsOutside(Float4 value);
}

/// <summary>float32.</summary>
internal readonly struct GemmMmaFloat32 : IGemmMmaOutput
{
    public static int Bytes => 4;

    public static void Store(ArrayView<UInt2> c, int group, Float4 value)
        => GlobalMemoryAccess.Store(ref c[2 * group], value);

    public static bool IsOutside(Float4 value) => false;
}

/// <summary>bfloat16, whose range is that of float32.</summary>
internal readonly struct GemmMmaBFloat16 : IGemmMmaOutput
{
    public static int Bytes => 2;

    public static void Store(ArrayView<UInt2> c, int group, Float4 value)
        => c[group] = HalfVector<MmaBFloat16>.Pack(value);

    public static bool IsOutside(Float4 value) => false;
}

/// <summary>float16.</summary>
internal readonly struct GemmMmaFloat16 : IGemmMmaOutput
{
    public static int Bytes => 2;

    public static void Store(ArrayView<UInt2> c, int group, Float4 value)
        => c[group] = HalfVector<MmaFloat16>.Pack(value);

    public static bool IsOutside(Float4 value) => HalfVector<MmaFloat16>.IsOutside(value);
}
