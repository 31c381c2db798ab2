using ILGPU;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Attention;

/// <summary>The attention weights of one scope and frame in full, for display, from the log-sums of
/// <see cref="ScopeAttentionMma{THead, TElement}"/>; from sm_80 on.</summary>
/// <remarks>Operands are loaded directly from memory: this kernel is not optimised. Grid: x = tiles of 16 queries, y =
/// heads. Block: one warp. No shared memory.</remarks>
/// <typeparam name="TElement">float16 or bfloat16.</typeparam>
internal static class AttentionMapMma<TElement>
    where TElement : struct, IBits16Element
{
    private const int TileKeys = 8;

    /// <summary>Computes the maps of a scope. In the shapes, d is the head size in pairs of elements.</summary>
    /// <param name="scopes">The scopes of the frame's grid, see <see cref="ScopeSchedule.ScopesAt"/>.</param>
    /// <param name="windows">The windows of query rows and columns.</param>
    /// <param name="bias">The bias tables.</param>
    /// <param name="queries">Projected queries, scaled by log₂e/√(head size): [scopes][queries, heads, d].</param>
    /// <param name="keyValues">Projected keys and values, [patches of all frames, 2, key scopes, heads, d].</param>
    /// <param name="logSums">log₂ Σ 2^logit, [rows, scopes, heads].</param>
    /// <param name="maps">Receives the weights, [heads, queries, patches].</param>
    /// <param name="shape">The extents; <see cref="AttentionShape.QueryColumns"/> is not used.</param>
    /// <param name="scopeIndex">The scope.</param>
    /// <param name="gridRows">Rows of the patch grid.</param>
    /// <param name="firstPatch">The first patch of the frame among the patches of all frames.</param>
    /// <param name="firstRow">The row of the log-sums of its first query.</param>
    public static void Run(ArrayView<MmaBlock> scopes, ArrayView<AxisWindow> windows, ArrayView<float> bias,
        ArrayView<uint> queries, ArrayView<uint> keyValues, ArrayView<float> logSums, ArrayView<float> maps,
        AttentionShape shape, int scopeIndex, int gridRows, int firstPatch, int firstRow)
    {
        var scope = MmaBlock.Load(scopes, scopeIndex);
        int head = Grid.IdxY;
        int lane = Warp.LaneIdx;
        int pairCount = 4 * shape.HeadVectors;
        int patchCount = gridRows * scope.GridColumns;
        int upperQuery = (Grid.IdxX * ScopeSchedule.UnitSize) + (lane / 4);
        int upper = IntrinsicMath.Min(upperQuery, scope.QueryCount - 1);
        int lower = IntrinsicMath.Min(upperQuery + 8, scope.QueryCount - 1);
        LaneScope laneScope = LaneScope.Load(windows, scope, head, upper / scope.TileColumns,
            upper % scope.TileColumns, lower / scope.TileColumns, lower % scope.TileColumns, 0, 0);
        int upperRow = (4 * scope.QueryStart) + (((upper * shape.HeadCount) + head) * pairCount);
        int lowerRow = (4 * scope.QueryStart) + (((lower * shape.HeadCount) + head) * pairCount);
        float upperLogSum = logSums[LogSumOf(scope, shape, firstRow + upper, head)];
        float lowerLogSum = logSums[LogSumOf(scope, shape, firstRow + lower, head)];
        for (int first = 0; first < patchCount; first += TileKeys)
        {
            int key = IntrinsicMath.Min(first + (lane / 4), patchCount - 1);
            long keyRow = ((((long)(firstPatch + key) * 2 * shape.KeyScopeCount) + scope.KeyScope)
                * shape.HeadCount + head) * pairCount;
            var logits = new Float4(0, 0, 0, 0);
            for (int pair = lane % 4; pair < pairCount; pair += 8)
            {
                // A step multiplies two vectors; the number of vectors may be odd.
                bool hasNext = pair + 4 < pairCount;
                int next = hasNext ? 4 : 0;
                uint mask = hasNext ? uint.MaxValue : 0;
                logits = TElement.AddProduct(logits, new UInt4(queries[upperRow + pair], queries[lowerRow + pair],
                    queries[upperRow + pair + next] & mask, queries[lowerRow + pair + next] & mask),
                    keyValues[keyRow + pair], keyValues[keyRow + pair + next] & mask);
            }

            for (int side = 0; side < 2; side++)
            {
                int patch = first + (2 * (lane % 4)) + side;
                if (patch < patchCount)
                {
                    uint place = ((uint)(patch / scope.GridColumns) << 16) | (uint)(patch % scope.GridColumns);
                    float upperLogit = side == 0 ? logits.X : logits.Y;
                    float lowerLogit = side == 0 ? logits.Z : logits.W;
                    if (scope.Bias < 0)
                    {
                        upperLogit = laneScope.MaskUpper(upperLogit, place);
                        lowerLogit = laneScope.MaskLower(lowerLogit, place);
                    }
                    else
                    {
                        upperLogit = laneScope.BiasUpper(bias, upperLogit, place);
                        lowerLogit = laneScope.BiasLower(bias, lowerLogit, place);
                    }

                    if (upperQuery < scope.QueryCount)
                    {
                        maps[((long)((head * scope.QueryCount) + upper) * patchCount) + patch]
                            = PtxMath.Exp2(upperLogit - upperLogSum);
                    }

                    if (upperQuery + 8 < scope.QueryCount)
                    {
                        maps[((long)((head * scope.QueryCount) + lower) * patchCount) + patch]
                            = PtxMath.Exp2(lowerLogit - lowerLogSum);
                    }
                }
            }
        }
    }

    private static int LogSumOf(MmaBlock scope, AttentionShape shape, int row, int head)
        => (((row * shape.ScopeCount) + scope.Scope) * shape.HeadCount) + head;
}
