using ILGPU;
using MsResampler.Kernels.Ptx;

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
        => c[group] = new UInt2(Pack.BF16(value.X, value.Y), Pack.BF16(value.Z, value.W));

    public static bool IsOutside(Float4 value) => false;
}

/// <summary>float16, which ends at 65504: larger values become infinite, and the caller is told.</summary>
internal readonly struct GemmMmaFloat16 : IGemmMmaOutput
{
    /// <summary>Halfway from the largest float16 to the next power of two: from here on rounding to nearest gives
    /// infinity.</summary>
    private const float Limit = 65520;

    public static int Bytes => 2;

    public static void Store(ArrayView<UInt2> c, int group, Float4 value)
        => c[group] = new UInt2(Pack.F16(value.X, value.Y), Pack.F16(value.Z, value.W));

    public static bool IsOutside(Float4 value)
        => !(IsInside(value.X) & IsInside(value.Y) & IsInside(value.Z) & IsInside(value.W));

    private static bool IsInside(float value) => IntrinsicMath.Abs(value) < Limit;
}
