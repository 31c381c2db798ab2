using ILGPU;
using MsResampler.Kernels.Ptx;

namespace MsResampler.Kernels.Tiles;

/// <summary>An element type that tensor cores multiply. The fragments of all types have the same bytes in the same
/// lanes; only the interpretation differs.</summary>
internal interface IMmaElement
{
    /// <summary>The size of an element in bytes.</summary>
    static abstract int Bytes { get; }

    /// <summary>Rounds a fragment of activations to the precision of the instruction. Weights are rounded when they
    /// are loaded.</summary>
    static abstract UInt4 Round(UInt4 fragment);

    /// <summary><paramref name="sum"/> plus the product of a 16-row and an 8-column fragment, accumulated in
    /// float32.</summary>
    static abstract Float4 AddProduct(Float4 sum, UInt4 a, uint b0, uint b1);
}

/// <summary>float16, with a largest value of 65504; larger numbers become infinite.</summary>
internal readonly struct MmaFloat16 : IBits16Element
{
    /// <summary>The smallest magnitude that rounding to nearest makes infinite.</summary>
    public const float Limit = (float)Float16OverflowException.Limit;

    /// <summary>The largest finite value.</summary>
    public const float Greatest = 65504;

    public static int Bytes => 2;

    public static UInt4 Round(UInt4 fragment) => fragment;

    public static Float4 AddProduct(Float4 sum, UInt4 a, uint b0, uint b1) => Mma.F16(sum, a, b0, b1);

    public static uint Pack(float low, float high) => Ptx.Pack.F16(low, high);

    public static float Low(uint pair) => Interop.IntAsFloat((ushort)pair);

    public static float High(uint pair) => Interop.IntAsFloat((ushort)(pair >> 16));
}

/// <summary>bfloat16, with nearly the range of float32.</summary>
internal readonly struct MmaBFloat16 : IBits16Element
{
    /// <summary>The smallest magnitude that rounding to nearest makes infinite: halfway between the largest bfloat16
    /// and 2¹²⁸.</summary>
    public const float Limit = 3.3961775e38f;

    public static int Bytes => 2;

    public static UInt4 Round(UInt4 fragment) => fragment;

    public static Float4 AddProduct(Float4 sum, UInt4 a, uint b0, uint b1) => Mma.BF16(sum, a, b0, b1);

    public static uint Pack(float low, float high) => Ptx.Pack.BF16(low, high);

    public static float Low(uint pair) => Interop.IntAsFloat(pair << 16);

    public static float High(uint pair) => Interop.IntAsFloat(pair & 0xFFFF0000);
}

/// <summary>float32, rounded to 10 fraction bits in registers: tensor cores would truncate the remaining bits. For a
/// product the assembler turns the conversion into a comparison, because infinity and NaN stay as they are, and an
/// integer addition; both have the full rate.</summary>
internal readonly struct MmaTensorFloat32 : IMmaElement
{
    public static int Bytes => 4;

    public static UInt4 Round(UInt4 fragment) => new(
        Pack.TF32(Interop.IntAsFloat(fragment.X)), Pack.TF32(Interop.IntAsFloat(fragment.Y)),
        Pack.TF32(Interop.IntAsFloat(fragment.Z)), Pack.TF32(Interop.IntAsFloat(fragment.W)));

    public static Float4 AddProduct(Float4 sum, UInt4 a, uint b0, uint b1) => Mma.TF32(sum, a, b0, b1);
}
