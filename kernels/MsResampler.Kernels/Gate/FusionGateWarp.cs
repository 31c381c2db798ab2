using ILGPU;
using MsResampler.Kernels.Norm;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Gate;

/// <summary>The gate's second layer, softmax over the scopes, the weighted sum of the branches and the final layer
/// normalisation. One warp a token.</summary>
/// <remarks>Grid: x = groups of as many tokens as a block has warps. No shared memory: what lanes tell each other goes
/// through the token's gate weights, which are a result of their own.</remarks>
internal static class FusionGateWarp
{
    /// <param name="hidden">The gate's hidden layer after its GELU, [tokens, G].</param>
    /// <param name="weight">fc2, [S·R, G].</param>
    /// <param name="bias">fc2's bias, [S·R].</param>
    /// <param name="branches">O of all scopes, [tokens, S, D].</param>
    /// <param name="normWeight">ln_post's weight, [D].</param>
    /// <param name="normBias">ln_post's bias, [D].</param>
    /// <param name="gates">Receives the gate's weights, [tokens, S·R].</param>
    /// <param name="fused">Receives normalised tokens, [tokens, D].</param>
    /// <param name="tokenCount">Tokens.</param>
    /// <param name="hiddenVectors">Groups of four of the hidden layer; its surplus elements are 0.</param>
    /// <param name="scopeCount">S.</param>
    /// <param name="groupCount">R.</param>
    /// <param name="width">D.</param>
    /// <param name="stride">Groups of four from one scope's branch to the next, and from one token to the next.</param>
    /// <param name="rootEpsilon">√ε.</param>
    public static void Run(ArrayView<Float4> hidden, ArrayView<Float4> weight, ArrayView<float> bias,
        ArrayView<Float4> branches, ArrayView<Float4> normWeight, ArrayView<Float4> normBias, ArrayView<float> gates,
        ArrayView<Float4> fused, int tokenCount, int hiddenVectors, int scopeCount, int groupCount, int width,
        int stride, float rootEpsilon)
    {
        int token = (Grid.IdxX * (Group.DimX / Warp.WarpSize)) + Warp.WarpIdx;
        if (token >= tokenCount)
            return;
        int firstGate = token * scopeCount * groupCount;
        for (int logit = 0; logit < scopeCount * groupCount; logit++)
        {
            float sum = 0;
            for (int vector = Warp.LaneIdx; vector < hiddenVectors; vector += Warp.WarpSize)
            {
                sum = VectorOperations.Dot(hidden[(token * hiddenVectors) + vector],
                    weight[(logit * hiddenVectors) + vector], sum);
            }

            sum = RowStatistics.Sum(sum);
            if (Warp.LaneIdx == 0)
                gates[firstGate + logit] = sum + bias[logit];
        }

        Warp.Barrier();
        for (int group = Warp.LaneIdx; group < groupCount; group += Warp.WarpSize)
            ScopeSoftmax.Apply(gates, firstGate + group, scopeCount, groupCount);
        Warp.Barrier();

        int groupWidth = width / groupCount;
        for (int vector = Warp.LaneIdx; 4 * vector < width; vector += Warp.WarpSize)
        {
            // Channels behind the width's end are 0 in every branch, whatever they are multiplied by.
            int channel = 4 * vector;
            int last = groupCount - 1;
            int groupX = channel / groupWidth;
            int groupY = IntrinsicMath.Min((channel + 1) / groupWidth, last);
            int groupZ = IntrinsicMath.Min((channel + 2) / groupWidth, last);
            int groupW = IntrinsicMath.Min((channel + 3) / groupWidth, last);
            Float4 sum = default;
            for (int scope = 0; scope < scopeCount; scope++)
            {
                int gate = firstGate + (scope * groupCount);
                sum = sum.PlusProduct(
                    new Float4(gates[gate + groupX], gates[gate + groupY], gates[gate + groupZ], gates[gate + groupW]),
                    branches[(((token * scopeCount) + scope) * stride) + vector]);
            }

            fused[(token * stride) + vector] = sum;
        }

        // All lanes read the first element.
        Warp.Barrier();
        RowStatistics statistics = RowStatistics.Of(fused, token * stride, width, rootEpsilon);
        for (int vector = Warp.LaneIdx; 4 * vector < width; vector += Warp.WarpSize)
        {
            fused[(token * stride) + vector] = statistics.Apply(fused[(token * stride) + vector], normWeight[vector],
                normBias[vector]);
        }
    }
}
