using ILGPU;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Attention;

/// <summary>The softmax of 16 queries in a warp, key by key in base 2, and the weighted sum of values (Milakov and
/// Gimelshein, Online normalizer calculation for softmax, 2018). A lane has of each array element 0 for the query of
/// its row g, 1 for row g+8: the largest logit so far, and the sum of its own weights relative to it.</summary>
internal static class OnlineSoftmax
{
    /// <summary>Less than any logit, but not −∞: relative to it a masked logit's weight is 0 and not NaN, even
    /// where no key was seen so far.</summary>
    public const float LeastLogit = -1e38f;

    /// <summary>No key seen.</summary>
    public static void Clear(float[] best, float[] total, Float4[] sums, int chunks)
    {
        for (int row = 0; row < 2; row++)
        {
            best[row] = LeastLogit;
            total[row] = 0;
        }

        for (int chunk = 0; chunk < chunks; chunk++)
            sums[chunk] = new Float4(0, 0, 0, 0);
    }

    /// <summary>Turns the logits of some chunks of 16 keys into weights, and makes everything relative to the new
    /// largest logit.</summary>
    public static void Weigh(Float4[] logits, int chunkCount, float[] best, float[] total, Float4[] sums, int chunks)
    {
        float upper = best[0];
        float lower = best[1];
        for (int tile = 0; tile < 2 * chunkCount; tile++)
        {
            upper = IntrinsicMath.Max(upper, IntrinsicMath.Max(logits[tile].X, logits[tile].Y));
            lower = IntrinsicMath.Max(lower, IntrinsicMath.Max(logits[tile].Z, logits[tile].W));
        }

        upper = MaxOfRow(upper);
        lower = MaxOfRow(lower);
        float upperDecay = PtxMath.Exp2(best[0] - upper);
        float lowerDecay = PtxMath.Exp2(best[1] - lower);
        best[0] = upper;
        best[1] = lower;
        float upperTotal = total[0] * upperDecay;
        float lowerTotal = total[1] * lowerDecay;
        for (int tile = 0; tile < 2 * chunkCount; tile++)
        {
            var weight = new Float4(PtxMath.Exp2(logits[tile].X - upper), PtxMath.Exp2(logits[tile].Y - upper),
                PtxMath.Exp2(logits[tile].Z - lower), PtxMath.Exp2(logits[tile].W - lower));
            upperTotal += weight.X + weight.Y;
            lowerTotal += weight.Z + weight.W;
            logits[tile] = weight;
        }

        total[0] = upperTotal;
        total[1] = lowerTotal;
        for (int chunk = 0; chunk < chunks; chunk++)
        {
            sums[chunk] = new Float4(sums[chunk].X * upperDecay, sums[chunk].Y * upperDecay,
                sums[chunk].Z * lowerDecay, sums[chunk].W * lowerDecay);
        }
    }

    /// <summary>The weights of a chunk of 16 keys as the fragment A of a product.</summary>
    public static UInt4 Fragment<TElement>(Float4[] weights, int chunk)
        where TElement : struct, IBits16Element
    {
        Float4 left = weights[2 * chunk];
        Float4 right = weights[(2 * chunk) + 1];
        return new UInt4(TElement.Pack(left.X, left.Y), TElement.Pack(left.Z, left.W),
            TElement.Pack(right.X, right.Y), TElement.Pack(right.Z, right.W));
    }

    /// <summary>The sum of the four lanes that share a row.</summary>
    public static float SumOfRow(float value)
    {
        value += Warp.ShuffleXor(value, 1);
        return value + Warp.ShuffleXor(value, 2);
    }

    private static float MaxOfRow(float value)
    {
        value = IntrinsicMath.Max(value, Warp.ShuffleXor(value, 1));
        return IntrinsicMath.Max(value, Warp.ShuffleXor(value, 2));
    }
}
