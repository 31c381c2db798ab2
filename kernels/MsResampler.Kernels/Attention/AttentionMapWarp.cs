using ILGPU;
using ILGPU.Algorithms;
using ILGPU.Algorithms.ScanReduceOperations;
using MsResampler.Kernels.Norm;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Attention;

/// <summary>The attention weights of one scope and frame in full, for display, in float32.</summary>
/// <remarks>Grid: x = queries, y = heads. Block: one warp. No shared memory.</remarks>
internal static class AttentionMapWarp
{
    /// <summary>Computes the maps of a scope. In the shapes, d is the head size in vectors of four floats.</summary>
    /// <param name="queries">Projected queries, scaled by log₂e/√(head size), [queries, heads, d].</param>
    /// <param name="keys">Projected keys, [key scopes, heads, d][patches of all frames].</param>
    /// <param name="bias">The bias tables, in base 2.</param>
    /// <param name="maps">Receives the weights, [heads, queries, patches].</param>
    /// <param name="scope">The scope.</param>
    public static void Run(ArrayView<Float4> queries, ArrayView<Float4> keys, ArrayView<float> bias,
        ArrayView<float> maps, AttentionMapScope scope)
    {
        int query = Grid.IdxX;
        int head = Grid.IdxY;
        int patchCount = scope.GridRows * scope.GridColumns;
        int map = ((head * Grid.DimX) + query) * patchCount;
        int queryVector = scope.QueryStart + (((query * Grid.DimY) + head) * scope.HeadVectors);
        int keyHead = ((scope.KeyScope * Grid.DimY) + head) * scope.HeadVectors;
        int rowStart = scope.RowBias + (head * scope.BiasHeadStride) + (query / scope.QueryColumns * scope.GridRows);
        int columnStart = scope.ColumnBias + (head * scope.BiasHeadStride)
            + (query % scope.QueryColumns * scope.GridColumns);

        float max = float.NegativeInfinity;
        for (int patch = Warp.LaneIdx; patch < patchCount; patch += Warp.WarpSize)
        {
            float logit = 0;
            for (int vector = 0; vector < scope.HeadVectors; vector++)
            {
                logit = VectorOperations.Dot(queries[queryVector + vector],
                    keys[((keyHead + vector) * scope.PatchStride) + scope.FirstPatch + patch], logit);
            }

            logit += bias[rowStart + (patch / scope.GridColumns)] + bias[columnStart + (patch % scope.GridColumns)];
            maps[map + patch] = logit;
            max = IntrinsicMath.Max(max, logit);
        }

        max = WarpExtensions.AllReduce<float, MaxFloat>(max);
        float total = 0;
        for (int patch = Warp.LaneIdx; patch < patchCount; patch += Warp.WarpSize)
        {
            float weight = PtxMath.Exp2(maps[map + patch] - max);
            maps[map + patch] = weight;
            total += weight;
        }

        total = RowStatistics.Sum(total);
        for (int patch = Warp.LaneIdx; patch < patchCount; patch += Warp.WarpSize)
            maps[map + patch] /= total;
    }
}
