using MsResampler.Cpu.Simd;
using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Cpu;

/// <summary>Folds the biases before ln_post into that of out_proj, less what ln_post subtracts anyway, so that no float32
/// sum carries them.</summary>
/// <remarks>
/// Exact in real arithmetic, computed in double precision when the model is loaded:
/// <list type="bullet">
/// <item>ln_kv.bias b is the same for every patch. In keys it drops out of the softmax; in values, whose weights add up
/// to 1, it becomes <c>Wv·b + bv</c> in every query's sum.</item>
/// <item>That, a constant of the scope, goes through out_proj: <c>Wo·(Wv·b + bv) + bo</c>.</item>
/// <item>ln_post does not see a constant that all channels share, see <see cref="NormInvariance"/>. The gate's first layer
/// does, so that its bias makes up for it.</item>
/// </list>
/// Otherwise a bias of 1000 costs the deviations that ln_post divides by three digits.
/// </remarks>
internal static class BiasFolding
{
    /// <param name="config">The model.</param>
    /// <param name="weights">Its weights, for their biases.</param>
    /// <param name="scopes">Its packed matrices; receives the biases of out_proj.</param>
    /// <param name="gateHidden">The packed fc1; receives its bias.</param>
    /// <param name="problems">Receives a sentence per tensor whose bias has no float32 value any more.</param>
    public static void Apply<TSimd, TVector>(ResamplerConfig config, ResamplerWeights weights,
        IReadOnlyList<ScopeOperands<TSimd, TVector>> scopes, PackedMatrix? gateHidden, ICollection<string> problems)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        double[] normBias = weights.KeyValueNorm.Bias.ToDouble();
        double[][] biases = new double[scopes.Count][];
        double[] valueBias = [];
        for (int scope = 0; scope < scopes.Count; scope++)
        {
            if (scope == 0 || !config.ShareKeyValues)
                valueBias = Sum(scopes[scope].Values.Multiply(normBias), weights.Scopes[scope].ValueProjection.Bias);
            biases[scope] = Sum(scopes[scope].Output.Multiply(valueBias), weights.Scopes[scope].OutputProjection.Bias);
        }

        double[] shared = NormInvariance.Constants(config, biases);
        for (int scope = 0; scope < scopes.Count; scope++)
        {
            double mean = shared[scope];
            if (!scopes[scope].Output.TrySetBias([.. biases[scope].Select(bias => bias - mean)]))
                problems.Add($"scopes.{scope}.attn.out_proj.bias: with v_proj.bias and ln_kv.bias folded in, expected " +
                    "values of float32 (up to 3.4e38), found larger ones");
        }

        if (gateHidden is null)
            return;
        double[] lost = [.. shared.SelectMany(mean => Enumerable.Repeat(mean, config.HiddenSize))];
        if (!gateHidden.TrySetBias(Sum(gateHidden.Multiply(lost), weights.Gate!.Hidden.Bias)))
            problems.Add("gate.fc1.bias: with the mean of the biases before it folded in, expected values of float32 (up to " +
                "3.4e38), found larger ones");
    }

    private static double[] Sum(double[] product, WeightTensor? bias)
    {
        if (bias is null)
            return product;
        double[] values = bias.ToDouble();
        for (int index = 0; index < product.Length; index++)
            product[index] += values[index];
        return product;
    }
}
