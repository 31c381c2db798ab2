using MsResampler.Kernels.Gate;

namespace MsResampler.Kernels.Tests.Kernels;

/// <summary>The fusion gate, compared with loops in double precision.</summary>
public class FusionGateTests
{
    private static IEnumerable<TestCaseData> Cases()
    {
        foreach (KernelHost host in KernelHost.All)
        {
            foreach ((int tokens, int hidden, int scopes, int groups, int groupWidth) in host.HasSlowBarriers
                ? new[] { (2, 9, 3, 2, 7) }
                : [(1, 1, 2, 1, 1), (3, 7, 3, 5, 3), (4, 128, 2, 33, 4), (5, 131, 5, 1, 257), (9, 64, 3, 8, 17)])
            {
                yield return new TestCaseData(host, tokens, hidden, scopes, groups, groupWidth).SetArgDisplayNames(
                    host.ToString()!, $"{tokens} tokens", $"{hidden} hidden", $"{scopes} scopes",
                    $"{groups} groups of {groupWidth}");
            }
        }
    }

    [TestCaseSource(nameof(Cases))]
    public void Gates_and_tokens_agree_with_loops(object host, int tokenCount, int hiddenCount, int scopeCount,
        int groupCount, int groupWidth)
        => Check((KernelHost)host, tokenCount, hiddenCount, scopeCount, groupCount, groupWidth, scale: 1);

    [TestCase(1e-38f)]
    [TestCase(1e-19f)]
    [TestCase(1e19f)]
    [TestCase(3e37f)]
    public void Branches_of_any_scale_are_normalised(float scale)
        => Check(KernelHost.All[0], tokenCount: 3, hiddenCount: 7, scopeCount: 3, groupCount: 5, groupWidth: 31, scale);

    [Test]
    public void Branches_with_equal_channels_normalise_to_the_bias([Values(1.1f, -1000.1f, 1e30f)] float value)
    {
        const int Width = 137;
        float[] normBias = Values.Rows(1, Width, 6);
        float[] branches = Values.Rows(2 * 3, Width, 4);
        for (int index = 0; index < branches.Length; index++)
            branches[index] = branches[index] == 0 ? 0 : value * (1 + (index / 140 % 3));
        var fused = KernelHost.Output.Of(2 * 140);

        Run(KernelHost.All[0], Values.Rows(2, 7, 1), Values.Rows(3, 7, 2), Values.Normal(3, 3), branches,
            Values.Rows(1, Width, 5), normBias, KernelHost.Output.Of(2 * 3), fused, 2, 2, 3, 1, Width);

        Assert.That(fused.Values, Is.EqualTo(normBias.Concat(normBias)));
    }

    private static void Check(KernelHost host, int tokenCount, int hiddenCount, int scopeCount, int groupCount,
        int groupWidth, float scale)
    {
        int width = groupCount * groupWidth;
        int vectors = (width + 3) / 4;
        int hiddenVectors = (hiddenCount + 3) / 4;
        float[] hidden = Values.Rows(tokenCount, hiddenCount, 1);
        float[] weight = Values.Rows(scopeCount * groupCount, hiddenCount, 2);
        float[] bias = Values.Normal(scopeCount * groupCount, 3);
        float[] branches = [.. Values.Rows(tokenCount * scopeCount, width, 4).Select(value => value * scale)];
        float[] normWeight = Values.Rows(1, width, 5);
        float[] normBias = scale == 1 ? Values.Rows(1, width, 6) : new float[4 * vectors];
        var gates = KernelHost.Output.Of(tokenCount * scopeCount * groupCount);
        var fused = KernelHost.Output.Of(tokenCount * vectors * 4);
        Run(host, hidden, weight, bias, branches, normWeight, normBias, gates, fused, tokenCount, hiddenVectors,
            scopeCount, groupCount, width);

        double[] expectedGates = Gates(hidden, weight, bias, tokenCount, hiddenVectors, scopeCount, groupCount);
        float[] sums = new float[tokenCount * vectors * 4];
        for (int token = 0; token < tokenCount; token++)
        {
            for (int channel = 0; channel < width; channel++)
            {
                double sum = 0;
                for (int scope = 0; scope < scopeCount; scope++)
                {
                    sum += expectedGates[(((token * scopeCount) + scope) * groupCount) + (channel / groupWidth)]
                        * branches[(((token * scopeCount) + scope) * vectors * 4) + channel];
                }

                sums[(token * vectors * 4) + channel] = (float)sum;
            }
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(Tolerances.RelativeError(gates.Values, expectedGates),
                Is.LessThanOrEqualTo(Tolerances.SinglePrecision));
            Assert.That(Tolerances.RelativeError(fused.Values,
                LayerNormTests.Expected(sums, normWeight, normBias, tokenCount, width)),
                Is.LessThanOrEqualTo(Tolerances.TwoSinglePrecisions));
        }
    }

    private static void Run(KernelHost host, float[] hidden, float[] weight, float[] bias, float[] branches,
        float[] normWeight, float[] normBias, KernelHost.Output gates, KernelHost.Output fused, int tokenCount,
        int hiddenVectors, int scopeCount, int groupCount, int width)
    {
        int warps = host.HasSlowBarriers ? 1 : 4;
        host.Run(new KernelVariant(typeof(FusionGateWarp), 32 * warps, 1),
            new LaunchSize((tokenCount + warps - 1) / warps, 1, 32 * warps), hidden, weight, bias, branches, normWeight,
            normBias, gates, fused, new FusionGateShape
            {
                TokenCount = tokenCount,
                HiddenVectors = hiddenVectors,
                ScopeCount = scopeCount,
                GateGroupCount = groupCount,
                Width = width,
                Stride = (width + 3) / 4,
                RootEpsilon = 1e-3f,
            });
    }

    private static double[] Gates(float[] hidden, float[] weight, float[] bias, int tokenCount, int hiddenVectors,
        int scopeCount, int groupCount)
    {
        double[] gates = new double[tokenCount * scopeCount * groupCount];
        for (int token = 0; token < tokenCount; token++)
        {
            for (int group = 0; group < groupCount; group++)
            {
                double[] weights = new double[scopeCount];
                for (int scope = 0; scope < scopeCount; scope++)
                {
                    int logit = (scope * groupCount) + group;
                    double sum = bias[logit];
                    for (int k = 0; k < 4 * hiddenVectors; k++)
                    {
                        sum += (double)hidden[(token * 4 * hiddenVectors) + k]
                            * weight[(logit * 4 * hiddenVectors) + k];
                    }

                    weights[scope] = Math.Exp(sum);
                }

                for (int scope = 0; scope < scopeCount; scope++)
                    gates[(((token * scopeCount) + scope) * groupCount) + group] = weights[scope] / weights.Sum();
            }
        }

        return gates;
    }
}
