using ILGPU;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Norm;

/// <summary>Layer normalisation of rows of 16-bit elements, <c>(x − mean)/√(variance + ε)·weight + bias</c>,
/// computed in float32. One warp per row.</summary>
/// <remarks>Lane l processes quads l, l+32, ... of a row. The row is read three times and stays in the first-level
/// cache after the first. The order of each sum depends only on the width. Grid: x = rows / warps of a block. Block:
/// one or more warps. No shared memory.</remarks>
/// <typeparam name="TElement">The element type of source and destination.</typeparam>
internal static class LayerNormBits16<TElement>
    where TElement : struct, IBits16Element
{
    /// <summary>Normalises rows.</summary>
    /// <param name="source">[rows, width] in quads; the elements that fill up the last vector of a row are
    /// ignored.</param>
    /// <param name="weight">[width], padded to whole vectors.</param>
    /// <param name="bias">[width], padded to whole vectors.</param>
    /// <param name="destination">Receives the normalised rows, padded to whole vectors with zeros; may be the
    /// source.</param>
    /// <param name="units">The factor that each row was multiplied by; empty if none was.</param>
    /// <param name="shape">The extents.</param>
    public static void Run(ArrayView<UInt2> source, ArrayView<Float4> weight, ArrayView<Float4> bias,
        ArrayView<UInt2> destination, ArrayView<float> units, NormShape shape)
    {
        int row = (Grid.IdxX * (Group.DimX / Warp.WarpSize)) + Warp.WarpIdx;
        if (row >= shape.RowCount)
            return;
        int width = shape.Width;
        float rootEpsilon = shape.RootEpsilon;
        int start = 2 * row * shape.SourceStride;
        if (units.Length > 0)
            rootEpsilon *= units[row];
        var statistics = RowStatistics.Of<UInt2, Bits16Quad<TElement>>(source, start, width, rootEpsilon);
        for (int quad = Warp.LaneIdx; quad < Bits16Quad<TElement>.CountOf(width); quad += Warp.WarpSize)
        {
            Float4 normal = statistics.Apply(Bits16Quad<TElement>.Unpack(source[start + quad]), weight[quad],
                bias[quad]).Within(width - (4 * quad));
            destination[(2 * row * shape.Stride) + quad] = Bits16Quad<TElement>.Pack(normal);
        }
    }
}
