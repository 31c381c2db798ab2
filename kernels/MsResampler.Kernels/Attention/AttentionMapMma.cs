using ILGPU;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Attention;

/// <summary>One scope's attention weights of one image written out in full, for people to look at, from the log-sums of
/// <see cref="ScopeAttentionMma{THead, TElement}"/>. One warp for 16 queries of a head; from sm_80 on.</summary>
/// <remarks>Operands come straight from memory: nothing here is fast. Grid: x = groups of 16 queries, y = heads; one
/// warp a block. No shared memory.</remarks>
/// <typeparam name="TElement">float16 or bfloat16.</typeparam>
internal static class AttentionMapMma<TElement>
    where TElement : struct, IBits16Element
{
    private const int TileKeys = 8;

    /// <param name="scopes">Scopes of the image as <see cref="ScopeSchedule.ScopesAt"/> gives it.</param>
    /// <param name="windows">What query rows and columns see.</param>
    /// <param name="bias">Bias tables.</param>
    /// <param name="queries">Projected queries, scaled by log₂e/√d: [scopes][queries, heads, d/2].</param>
    /// <param name="keyValues">Projected keys and values, [patches, 2, key scopes, heads, d/2].</param>
    /// <param name="logSums">log₂ Σ 2^logit, [tokens, scopes, heads].</param>
    /// <param name="maps">Receives the weights, [heads, queries, patches].</param>
    /// <param name="index">Which of the scopes.</param>
    /// <param name="scopeCount">Scopes.</param>
    /// <param name="keyScopeCount">Scopes with keys and values of their own.</param>
    /// <param name="headVectors">Groups of 8 channels of a head.</param>
    /// <param name="gridRows">Rows of the patch grid.</param>
    public static void Run(ArrayView<MmaBlock> scopes, ArrayView<AxisWindow> windows, ArrayView<float> bias,
        ArrayView<uint> queries, ArrayView<uint> keyValues, ArrayView<float> logSums, ArrayView<float> maps, int index,
        int scopeCount, int keyScopeCount, int headVectors, int gridRows)
    {
        var scope = MmaBlock.Load(scopes, index);
        int head = Grid.IdxY;
        int headCount = Grid.DimY;
        int lane = Warp.LaneIdx;
        int pairs = 4 * headVectors;
        int patchCount = gridRows * scope.GridColumns;
        int upperQuery = (Grid.IdxX * ScopeSchedule.UnitSize) + (lane / 4);
        int upper = IntrinsicMath.Min(upperQuery, scope.QueryCount - 1);
        int lower = IntrinsicMath.Min(upperQuery + 8, scope.QueryCount - 1);
        LaneScope laneScope = LaneScope.Load(windows, scope, head, upper / scope.TileColumns,
            upper % scope.TileColumns, lower / scope.TileColumns, lower % scope.TileColumns, 0, 0);
        int upperRow = (4 * scope.QueryStart) + (((upper * headCount) + head) * pairs);
        int lowerRow = (4 * scope.QueryStart) + (((lower * headCount) + head) * pairs);
        float upperLogSum = logSums[((((scope.FirstToken + upper) * scopeCount) + scope.Scope) * headCount) + head];
        float lowerLogSum = logSums[((((scope.FirstToken + lower) * scopeCount) + scope.Scope) * headCount) + head];
        for (int first = 0; first < patchCount; first += TileKeys)
        {
            int key = IntrinsicMath.Min(first + (lane / 4), patchCount - 1);
            long keyRow = ((((long)(scope.FirstPatch + key) * 2 * keyScopeCount) + scope.KeyScope) * headCount + head)
                * pairs;
            var logits = new Float4(0, 0, 0, 0);
            for (int pair = lane % 4; pair < pairs; pair += 8)
            {
                // The last group of 8 may stand alone.
                bool hasNext = pair + 4 < pairs;
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
}
