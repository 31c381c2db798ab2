using ILGPU;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Attention;

/// <summary>The softmax of a warp's 16 queries over units of 16 keys, whose logits are accumulators of
/// <see cref="Mma"/>, two for each unit. A lane has two states: element 0 for the query of its row g, element 1 for
/// row g+8. All four lanes of a row have the same maximum; each has the total of its own keys.</summary>
internal static class MmaSoftmax
{
    /// <summary>Sets states and weighted sums to those before any key.</summary>
    /// <param name="states">The lane's two states.</param>
    /// <param name="sums">The weighted sums, an accumulator for each chunk.</param>
    /// <param name="chunkCount">Chunks of 8 channels.</param>
    public static void Clear(OnlineSoftmax[] states, Float4[] sums, int chunkCount)
    {
        for (int row = 0; row < 2; row++)
            states[row] = OnlineSoftmax.Empty;
        for (int chunk = 0; chunk < chunkCount; chunk++)
            sums[chunk] = new Float4(0, 0, 0, 0);
    }

    /// <summary>Replaces the logits of some units of keys by weights, adds these to the states, and makes the weighted
    /// sums relative to the new maxima.</summary>
    /// <param name="logits">The logits.</param>
    /// <param name="unitCount">Units of 16 keys.</param>
    /// <param name="states">The lane's two states.</param>
    /// <param name="sums">The weighted sums.</param>
    /// <param name="chunkCount">Chunks of 8 channels.</param>
    public static void Weigh(Float4[] logits, int unitCount, OnlineSoftmax[] states, Float4[] sums, int chunkCount)
    {
        float upperMax = states[0].Max;
        float lowerMax = states[1].Max;
        for (int tile = 0; tile < 2 * unitCount; tile++)
        {
            upperMax = IntrinsicMath.Max(upperMax, IntrinsicMath.Max(logits[tile].X, logits[tile].Y));
            lowerMax = IntrinsicMath.Max(lowerMax, IntrinsicMath.Max(logits[tile].Z, logits[tile].W));
        }

        upperMax = LaneReduction.MaxOf4(upperMax);
        lowerMax = LaneReduction.MaxOf4(lowerMax);
        float upperScale = states[0].ScaleTo(upperMax);
        float lowerScale = states[1].ScaleTo(lowerMax);
        for (int tile = 0; tile < 2 * unitCount; tile++)
        {
            var weight = new Float4(OnlineSoftmax.WeightOf(logits[tile].X, upperMax),
                OnlineSoftmax.WeightOf(logits[tile].Y, upperMax), OnlineSoftmax.WeightOf(logits[tile].Z, lowerMax),
                OnlineSoftmax.WeightOf(logits[tile].W, lowerMax));
            float upper = weight.X + weight.Y;
            float lower = weight.Z + weight.W;
            states[0] = tile == 0 ? states[0].Rescaled(upperMax, upperScale, upper) : states[0].Plus(upper);
            states[1] = tile == 0 ? states[1].Rescaled(lowerMax, lowerScale, lower) : states[1].Plus(lower);
            logits[tile] = weight;
        }

        for (int chunk = 0; chunk < chunkCount; chunk++)
        {
            sums[chunk] = new Float4(sums[chunk].X * upperScale, sums[chunk].Y * upperScale,
                sums[chunk].Z * lowerScale, sums[chunk].W * lowerScale);
        }
    }

    /// <summary>The weights of one unit of keys as the fragment A of a product.</summary>
    public static UInt4 Fragment<TElement>(Float4[] weights, int unit)
        where TElement : struct, IBits16Element
    {
        Float4 left = weights[2 * unit];
        Float4 right = weights[(2 * unit) + 1];
        return new UInt4(TElement.Pack(left.X, left.Y), TElement.Pack(left.Z, left.W),
            TElement.Pack(right.X, right.Y), TElement.Pack(right.Z, right.W));
    }

    /// <summary>The state of a whole row from those of its four lanes.</summary>
    public static OnlineSoftmax OfRow(OnlineSoftmax state) => state with { Total = LaneReduction.SumOf4(state.Total) };
}
