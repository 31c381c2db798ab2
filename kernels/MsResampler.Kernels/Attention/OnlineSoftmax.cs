using ILGPU;
using MsResampler.Kernels.Ptx;

namespace MsResampler.Kernels.Attention;

/// <summary>The state of one query's softmax in base 2 after some of its keys (Milakov and Gimelshein, Online
/// normalizer calculation for softmax, arXiv 1805.02867). The weighted sum of values that belongs to a state is kept
/// beside it, relative to the same maximum.</summary>
/// <remarks>Its twin on the processor is <c>MsResampler.Cpu.ScopeAttentionTiled</c>, which has the same empty value and
/// the same steps on vectors of queries.</remarks>
/// <param name="Max">The largest logit.</param>
/// <param name="Total">The sum of the weights, 2^(logit − <paramref name="Max"/>).</param>
internal readonly record struct OnlineSoftmax(float Max, float Total)
{
    /// <summary>The state before any key. The maximum is finite, so that the weight of a masked logit, −∞, is 0 and not
    /// NaN even where no key was seen; it is not above any finite logit.</summary>
    public static OnlineSoftmax Empty => new(float.MinValue, 0);

    /// <summary>log₂ Σ 2^logit; −∞ if no key was seen.</summary>
    public float LogSum => Max + PtxMath.Log2(Total);

    /// <summary>The factor that normalises the weighted sum, 1 / <see cref="Total"/>, to 1 ulp.</summary>
    public float Normaliser => PtxMath.Reciprocal(Total);

    /// <summary>The state of all keys of several states. It does not depend on their order but for the rounding of the
    /// total.</summary>
    /// <param name="parts">The states; NaN if all of them are empty and the result is normalised.</param>
    /// <param name="count">The number of states, a constant in kernels.</param>
    public static OnlineSoftmax Merge(OnlineSoftmax[] parts, int count)
    {
        float max = parts[0].Max;
        for (int part = 1; part < count; part++)
            max = IntrinsicMath.Max(max, parts[part].Max);
        float total = 0;
        for (int part = 0; part < count; part++)
            total = PtxMath.Fma(parts[part].Total, parts[part].ScaleTo(max), total);
        return new OnlineSoftmax(max, total);
    }

    /// <summary>The factor that makes a total and a weighted sum relative to a larger maximum.</summary>
    /// <param name="max">The new maximum, at least <see cref="Max"/>.</param>
    public float ScaleTo(float max) => PtxMath.Exp2(Max - max);

    /// <summary>The weight of a logit that is at most <paramref name="max"/>; 0 for −∞.</summary>
    public static float WeightOf(float logit, float max) => PtxMath.Exp2(logit - max);

    /// <summary>The state relative to a larger maximum, with the weights of further keys.</summary>
    /// <param name="max">The new maximum.</param>
    /// <param name="scale"><see cref="ScaleTo"/> of it, by which the caller also multiplies the weighted sum.</param>
    /// <param name="weight">The sum of their weights.</param>
    public OnlineSoftmax Rescaled(float max, float scale, float weight)
        => new(max, PtxMath.Fma(Total, scale, weight));

    /// <summary>The state with the weights of further keys.</summary>
    /// <param name="weight">The sum of their weights.</param>
    public OnlineSoftmax Plus(float weight) => new(Max, Total + weight);

    /// <summary>The factor that makes a part's weighted sum its share of the normalised sum.</summary>
    /// <param name="part">One of the states that this one was merged from.</param>
    public float ShareOf(OnlineSoftmax part) => part.ScaleTo(Max) / Total;
}
