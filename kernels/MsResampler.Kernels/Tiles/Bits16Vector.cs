using MsResampler.Kernels.Ptx;

namespace MsResampler.Kernels.Tiles;

/// <summary>Four elements of 16 bits, half of a group of 16 bytes. Kernels that work on rows take them this way and not
/// by whole groups: then lanes read the float32 that belong to them, weights and biases, side by side as well.
/// </summary>
/// <typeparam name="TElement">Their type.</typeparam>
internal static class Bits16Vector<TElement>
    where TElement : struct, IBits16Element
{
    /// <summary>Vectors of a row that is filled up to whole groups of eight elements.</summary>
    public static int CountOf(int width) => (width + 7) / 8 * 2;

    /// <summary>The four numbers.</summary>
    public static Float4 Unpack(UInt2 vector)
        => new(TElement.Low(vector.X), TElement.High(vector.X), TElement.Low(vector.Y), TElement.High(vector.Y));

    /// <summary>Four numbers, rounded.</summary>
    public static UInt2 Pack(Float4 values)
        => new(TElement.Pack(values.X, values.Y), TElement.Pack(values.Z, values.W));
}
