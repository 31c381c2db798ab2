using ILGPU;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Norm;

/// <summary>Layer normalisation of rows in float32, <c>(x − mean)/√(variance + ε)·weight + bias</c>, and a second copy
/// with positions added. One warp per row.</summary>
/// <remarks>A row is read three times and stays in the first-level cache after the first. Grid: x = rows / warps of a
/// block. Block: one or more warps. No shared memory.</remarks>
/// <typeparam name="TOutput">The rows that are stored.</typeparam>
internal static class LayerNormWarp<TOutput>
    where TOutput : struct, INormOutput
{
    /// <summary>Normalises rows. Padding of weight and bias beyond the width is 0, so the stored padding is 0
    /// too.</summary>
    /// <param name="source">[rows, width].</param>
    /// <param name="weight">[width].</param>
    /// <param name="bias">[width].</param>
    /// <param name="plain">Receives the normalised rows; may be the source.</param>
    /// <param name="positions">The positions.</param>
    /// <param name="positionStarts">For each row, the first vector of its position.</param>
    /// <param name="positioned">Receives the normalised rows plus their positions.</param>
    /// <param name="shape">The extents.</param>
    public static void Run(ArrayView<Float4> source, ArrayView<Float4> weight, ArrayView<Float4> bias,
        ArrayView<Float4> plain, ArrayView<Float4> positions, ArrayView<int> positionStarts,
        ArrayView<Float4> positioned, NormShape shape)
    {
        int row = (Grid.IdxX * (Group.DimX / Warp.WarpSize)) + Warp.WarpIdx;
        if (row >= shape.RowCount)
            return;
        int start = row * shape.SourceStride;
        var statistics = RowStatistics.Of<Float4, Float32Quad>(source, start, shape.Width, shape.RootEpsilon);
        int positionStart = TOutput.IsPositionedStored ? positionStarts[row] : 0;
        for (int vector = Warp.LaneIdx; 4 * vector < shape.Width; vector += Warp.WarpSize)
        {
            Float4 normal = statistics.Apply(source[start + vector], weight[vector], bias[vector]);
            if (TOutput.IsPlainStored)
                plain[(row * shape.Stride) + vector] = normal;
            if (TOutput.IsPositionedStored)
                positioned[(row * shape.Stride) + vector] = normal.Plus(positions[positionStart + vector]);
        }
    }
}
