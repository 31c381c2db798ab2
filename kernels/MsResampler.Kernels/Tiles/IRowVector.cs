using MsResampler.Kernels.Ptx;

namespace MsResampler.Kernels.Tiles;

/// <summary>A vector of 16 bytes of a row, in quads of four elements.</summary>
/// <typeparam name="T">The storage type.</typeparam>
internal interface IRowVector<T>
    where T : unmanaged
{
    /// <summary>Quads of a vector.</summary>
    static abstract int QuadCount { get; }

    /// <summary>One quad as floats.</summary>
    static abstract Float4 Quad(T vector, int index);

    /// <summary>Rounds the quads of a vector to elements.</summary>
    static abstract T Join(Float4[] quads);
}

/// <summary>Four elements in float32.</summary>
internal readonly struct Float32Vector : IRowVector<Float4>
{
    public static int QuadCount => 1;

    public static Float4 Quad(Float4 vector, int index) => vector;

    public static Float4 Join(Float4[] quads) => quads[0];
}

/// <summary>Eight elements in float16.</summary>
internal readonly struct Float16Vector : IRowVector<UInt4>
{
    public static int QuadCount => 2;

    public static Float4 Quad(UInt4 vector, int index) => Bits16Vector<MmaFloat16>.Quad(vector, index);

    public static UInt4 Join(Float4[] quads) => Bits16Vector<MmaFloat16>.Join(quads);
}

/// <summary>Eight elements in bfloat16.</summary>
internal readonly struct BFloat16Vector : IRowVector<UInt4>
{
    public static int QuadCount => 2;

    public static Float4 Quad(UInt4 vector, int index) => Bits16Vector<MmaBFloat16>.Quad(vector, index);

    public static UInt4 Join(Float4[] quads) => Bits16Vector<MmaBFloat16>.Join(quads);
}

/// <summary>Eight elements in 16 bits: two quads.</summary>
/// <typeparam name="TElement">The element type.</typeparam>
internal static class Bits16Vector<TElement>
    where TElement : struct, IBits16Element
{
    public static Float4 Quad(UInt4 vector, int index)
        => Bits16Quad<TElement>.Unpack(index == 0 ? new UInt2(vector.X, vector.Y) : new UInt2(vector.Z, vector.W));

    public static UInt4 Join(Float4[] quads)
    {
        UInt2 lower = Bits16Quad<TElement>.Pack(quads[0]);
        UInt2 upper = Bits16Quad<TElement>.Pack(quads[1]);
        return new UInt4(lower.X, lower.Y, upper.X, upper.Y);
    }
}
