using ILGPU;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Norm;

/// <summary>Layer normalisation of rows, <c>(x − mean)/√(variance + ε)·weight + bias</c>, with positions added to a
/// second copy where keys see them. One warp a row.</summary>
/// <remarks>Grid: x = groups of as many rows as a block has warps. No shared memory. A row is read three times and
/// stays in the first-level cache after the first.</remarks>
/// <typeparam name="TOutput">What is stored.</typeparam>
internal static class LayerNormWarp<TOutput>
    where TOutput : struct, INormOutput
{
    /// <param name="source">[rows, width].</param>
    /// <param name="weight">[width].</param>
    /// <param name="bias">[width]; like the weight 0 behind the width's end, so that what is stored there is 0 too.
    /// </param>
    /// <param name="plain">Receives normalised rows; may be the source.</param>
    /// <param name="positions">Positions of rows.</param>
    /// <param name="positionStarts">For each row the first group of four of its position.</param>
    /// <param name="positioned">Receives normalised rows plus positions.</param>
    /// <param name="rowCount">Rows.</param>
    /// <param name="width">Elements of a row.</param>
    /// <param name="sourceStride">Groups of four from one row of the source to the next.</param>
    /// <param name="stride">The same of what is stored.</param>
    /// <param name="rootEpsilon">√ε.</param>
    public static void Run(ArrayView<Float4> source, ArrayView<Float4> weight, ArrayView<Float4> bias,
        ArrayView<Float4> plain, ArrayView<Float4> positions, ArrayView<int> positionStarts,
        ArrayView<Float4> positioned, int rowCount, int width, int sourceStride, int stride, float rootEpsilon)
    {
        int row = (Grid.IdxX * (Group.DimX / Warp.WarpSize)) + Warp.WarpIdx;
        if (row >= rowCount)
            return;
        RowStatistics statistics = RowStatistics.Of(source, row * sourceStride, width, rootEpsilon);
        int positionStart = TOutput.IsPositionedStored ? positionStarts[row] : 0;
        for (int vector = Warp.LaneIdx; 4 * vector < width; vector += Warp.WarpSize)
        {
            Float4 normal = statistics.Apply(source[(row * sourceStride) + vector], weight[vector], bias[vector]);
            if (TOutput.IsPlainStored)
                plain[(row * stride) + vector] = normal;
            if (TOutput.IsPositionedStored)
                positioned[(row * stride) + vector] = normal.Plus(positions[positionStart + vector]);
        }
    }
}
