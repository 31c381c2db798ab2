using ILGPU;
using MsResampler.Kernels.Norm;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Gate;

/// <summary>The second layer of the gate, the softmax over scopes, the weighted sum of the branches and the final layer
/// normalisation, in float32. One warp per token.</summary>
/// <remarks>Lanes exchange data through the gate's weights of the token, which are an output. Grid: x = tokens / warps
/// of a block. Block: one or more warps. No shared memory.</remarks>
internal static class FusionGateWarp
{
    /// <summary>Fuses tokens.</summary>
    /// <param name="hidden">The hidden layer of the gate after its GELU, [tokens, G].</param>
    /// <param name="weight">The weight of fc2, [S·R, G].</param>
    /// <param name="bias">The bias of fc2, [S·R].</param>
    /// <param name="branches">The branches of all scopes, [tokens, S, D].</param>
    /// <param name="normWeight">The weight of ln_post, [D].</param>
    /// <param name="normBias">The bias of ln_post, [D].</param>
    /// <param name="gates">Receives the gate's weights, [tokens, S·R].</param>
    /// <param name="fused">Receives the normalised tokens, [tokens, D].</param>
    /// <param name="shape">The extents.</param>
    public static void Run(ArrayView<Float4> hidden, ArrayView<Float4> weight, ArrayView<float> bias,
        ArrayView<Float4> branches, ArrayView<Float4> normWeight, ArrayView<Float4> normBias, ArrayView<float> gates,
        ArrayView<Float4> fused, FusionGateShape shape)
    {
        int token = (Grid.IdxX * (Group.DimX / Warp.WarpSize)) + Warp.WarpIdx;
        if (token >= shape.TokenCount)
            return;
        int groupCount = shape.GateGroupCount;
        int firstGate = token * shape.ScopeCount * groupCount;
        for (int logit = 0; logit < shape.ScopeCount * groupCount; logit++)
        {
            float sum = 0;
            for (int vector = Warp.LaneIdx; vector < shape.HiddenVectors; vector += Warp.WarpSize)
            {
                sum = VectorOperations.Dot(hidden[(token * shape.HiddenVectors) + vector],
                    weight[(logit * shape.HiddenVectors) + vector], sum);
            }

            sum = RowStatistics.Sum(sum);
            if (Warp.LaneIdx == 0)
                gates[firstGate + logit] = sum + bias[logit];
        }

        Warp.Barrier();
        for (int gateGroup = Warp.LaneIdx; gateGroup < groupCount; gateGroup += Warp.WarpSize)
            ScopeSoftmax.Apply(gates, firstGate + gateGroup, shape.ScopeCount, groupCount);
        Warp.Barrier();

        int groupWidth = shape.Width / groupCount;
        for (int vector = Warp.LaneIdx; 4 * vector < shape.Width; vector += Warp.WarpSize)
        {
            // Padding channels are 0 in every branch, so any weight gives 0.
            int channel = 4 * vector;
            int last = groupCount - 1;
            int groupX = channel / groupWidth;
            int groupY = IntrinsicMath.Min((channel + 1) / groupWidth, last);
            int groupZ = IntrinsicMath.Min((channel + 2) / groupWidth, last);
            int groupW = IntrinsicMath.Min((channel + 3) / groupWidth, last);
            Float4 sum = default;
            for (int scope = 0; scope < shape.ScopeCount; scope++)
            {
                int gate = firstGate + (scope * groupCount);
                sum = sum.PlusProduct(
                    new Float4(gates[gate + groupX], gates[gate + groupY], gates[gate + groupZ], gates[gate + groupW]),
                    branches[(((token * shape.ScopeCount) + scope) * shape.Stride) + vector]);
            }

            fused[(token * shape.Stride) + vector] = sum;
        }

        // All lanes read the first element.
        Warp.Barrier();
        var statistics = RowStatistics.Of<Float4, Float32Quad>(fused, token * shape.Stride, shape.Width,
            shape.RootEpsilon);
        for (int vector = Warp.LaneIdx; 4 * vector < shape.Width; vector += Warp.WarpSize)
        {
            fused[(token * shape.Stride) + vector] = statistics.Apply(fused[(token * shape.Stride) + vector],
                normWeight[vector], normBias[vector]);
        }
    }
}
