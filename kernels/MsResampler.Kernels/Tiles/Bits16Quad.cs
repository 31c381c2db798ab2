using ILGPU;
using MsResampler.Kernels.Ptx;

namespace MsResampler.Kernels.Tiles;

/// <summary>A quad of 16-bit elements: four neighbours of a row, 8 bytes and so half a vector of 16 bytes. Kernels that
/// process rows read quads and not vectors, so that the lanes of a warp also read the float32 weights and biases of
/// their elements side by side, 16 bytes each.</summary>
/// <typeparam name="TElement">The element type.</typeparam>
internal readonly struct Bits16Quad<TElement> : IQuad<UInt2>
    where TElement : struct, IBits16Element
{
    /// <summary>Quads in a row that is padded to whole vectors of eight elements.</summary>
    public static int CountOf(int width) => (width + 7) / 8 * 2;

    /// <inheritdoc/>
    public static Float4 Unpack(UInt2 quad)
        => new(TElement.Low(quad.X), TElement.High(quad.X), TElement.Low(quad.Y), TElement.High(quad.Y));

    /// <inheritdoc/>
    public static float First(ArrayView<UInt2> quads, int index) => TElement.Low(quads[index].X);

    /// <summary>Rounds four floats to elements.</summary>
    public static UInt2 Pack(Float4 values)
        => new(TElement.Pack(values.X, values.Y), TElement.Pack(values.Z, values.W));
}
