using ILGPU;
using ILGPU.Algorithms;
using ILGPU.Algorithms.ScanReduceOperations;
using MsResampler.Kernels.Norm;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Attention;

/// <summary>One scope's attention weights of one image written out in full, for people to look at. One warp for each
/// query and head.</summary>
/// <remarks>Grid: x = queries, y = heads; one warp a block. No shared memory.</remarks>
internal static class AttentionMapWarp
{
    /// <param name="queries">Projected queries, scaled by log₂e/√d, [queries, heads, d/4].</param>
    /// <param name="keys">Projected keys, [scopes, heads, d/4][patches].</param>
    /// <param name="bias">Bias tables in base 2.</param>
    /// <param name="maps">Receives the weights, [heads, queries, patches].</param>
    /// <param name="queryStart">Where the scope's queries begin.</param>
    /// <param name="queryColumns">Columns of the query grid.</param>
    /// <param name="headVectors">d/4.</param>
    /// <param name="keyScope">The scope whose keys are used.</param>
    /// <param name="gridRows">Rows of the patch grid.</param>
    /// <param name="gridColumns">Its columns.</param>
    /// <param name="rowBias">Where the row bias of query row 0 and head 0 lies.</param>
    /// <param name="columnBias">Where the column bias of query column 0 and head 0 lies.</param>
    /// <param name="biasHeadStride">From one head's bias to the next.</param>
    public static void Run(ArrayView<Float4> queries, ArrayView<Float4> keys, ArrayView<float> bias,
        ArrayView<float> maps, int queryStart, int queryColumns, int headVectors, int keyScope, int gridRows,
        int gridColumns, int rowBias, int columnBias, int biasHeadStride)
    {
        int query = Grid.IdxX;
        int head = Grid.IdxY;
        int patchCount = gridRows * gridColumns;
        int map = ((head * Grid.DimX) + query) * patchCount;
        int queryVector = queryStart + (((query * Grid.DimY) + head) * headVectors);
        int keyHead = ((keyScope * Grid.DimY) + head) * headVectors;
        int rowStart = rowBias + (head * biasHeadStride) + (query / queryColumns * gridRows);
        int columnStart = columnBias + (head * biasHeadStride) + (query % queryColumns * gridColumns);

        float best = float.NegativeInfinity;
        for (int patch = Warp.LaneIdx; patch < patchCount; patch += Warp.WarpSize)
        {
            float logit = 0;
            for (int vector = 0; vector < headVectors; vector++)
            {
                logit = VectorOperations.Dot(queries[queryVector + vector],
                    keys[((keyHead + vector) * patchCount) + patch], logit);
            }

            logit += bias[rowStart + (patch / gridColumns)] + bias[columnStart + (patch % gridColumns)];
            maps[map + patch] = logit;
            best = IntrinsicMath.Max(best, logit);
        }

        best = WarpExtensions.AllReduce<float, MaxFloat>(best);
        float total = 0;
        for (int patch = Warp.LaneIdx; patch < patchCount; patch += Warp.WarpSize)
        {
            float weight = PtxMath.Exp2(maps[map + patch] - best);
            maps[map + patch] = weight;
            total += weight;
        }

        total = RowStatistics.Sum(total);
        for (int patch = Warp.LaneIdx; patch < patchCount; patch += Warp.WarpSize)
            maps[map + patch] /= total;
    }
}
