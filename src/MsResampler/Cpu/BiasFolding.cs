using MsResampler.Cpu.Simd;
using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Cpu;

/// <summary>Folds all biases before ln_post into the bias of out_proj and removes the part that ln_post
/// subtracts, so that float32 sums do not contain large constants.</summary>
/// <remarks>
/// The folding is exact in real arithmetic. It is computed in double precision when the model is loaded:
/// <list type="bullet">
/// <item>ln_kv.bias b is the same for every patch. In keys it drops out of the softmax. In values it becomes
/// <c>Wv·b + bv</c> in the sum of every query, because attention weights add up to 1.</item>
/// <item>This constant of the scope passes through out_proj: <c>Wo·(Wv·b + bv) + bo</c>.</item>
/// <item>ln_post subtracts a constant that all channels share, see <see cref="NormInvariance"/>. The first
/// layer of the gate does not, so its bias is corrected.</item>
/// </list>
/// Without folding, a bias of 1000 would cost the result of ln_post three decimal digits.
/// </remarks>
internal static class BiasFolding
{
    /// <summary>Sets the biases of out_proj and of the gate.</summary>
    /// <param name="config">The model's configuration.</param>
    /// <param name="weights">The model's weights, for their biases.</param>
    /// <param name="scopes">The packed matrices; receives the biases of out_proj.</param>
    /// <param name="gateHidden">The packed fc1, which receives its bias; null without a gate.</param>
    /// <param name="problems">Receives one sentence per bias that leaves the range of float32.</param>
    public static void Apply<TSimd, TVector>(ResamplerConfig config, ResamplerWeights weights,
        IReadOnlyList<ScopeOperands<TSimd, TVector>> scopes, WeightMatrix? gateHidden, ICollection<string> problems)
        where TSimd : struct, ISimd<TVector>
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
                problems.Add($"scopes.{scope}.attn.out_proj.bias: with v_proj.bias and ln_kv.bias folded in, " +
                    "expected values within float32 (up to 3.4e38), found larger ones");
        }

        if (gateHidden is null)
            return;
        double[] lost = [.. shared.SelectMany(mean => Enumerable.Repeat(mean, config.HiddenSize))];
        if (!gateHidden.TrySetBias(Sum(gateHidden.Multiply(lost), weights.Gate!.Hidden.Bias)))
            problems.Add("gate.fc1.bias: with the mean of the biases before it folded in, expected values within " +
                "float32 (up to 3.4e38), found larger ones");
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
