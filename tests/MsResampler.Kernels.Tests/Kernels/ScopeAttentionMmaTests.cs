using MsResampler.Model;
using MsResampler.Tests.Model;
using NUnit.Framework;

namespace MsResampler.Kernels.Tests.Kernels;

/// <summary>The attention of whole schedules on tensor cores against loops in double precision over the rounded
/// inputs.</summary>
public sealed class ScopeAttentionMmaTests
{
    [Test]
    public void First([Values(64, 20)] int size)
    {
        ResamplerConfig config = Config(size, new QueryGrid(5, 7), Configs.None, Configs.Window(3, 4),
            Configs.Gaussian(2, 3, new AxisPair(5, 4)));
        Check(new ScopeAttentionMmaCase(config, true, [new(9, 11), new(20, 13)]), config);
    }

    private static ResamplerConfig Config(int headSize, QueryGrid queries, params ScopeConfig[] scopes)
        => Configs.Of(scopes) with { HiddenSize = 2 * headSize, AttentionHeadCount = 2, QueryGrid = queries };

    private static void Check(ScopeAttentionMmaCase @case, ResamplerConfig config)
    {
        ScopeAttentionMmaResult result = @case.Run();

        double worst = 0;
        double worstSum = 0;
        int stride = 8 * @case.HeadVectors;
        foreach (ScopeAttentionMmaRow row in @case.Expected())
        {
            double logit = LogitError(row, config.HeadSize);
            for (int k = 0; k < config.HeadSize; k++)
            {
                worst = Math.Max(worst, Math.Abs(result.Output[(row.Row * stride) + k] - row.Output[k])
                    / Tolerance(@case, row, k, logit));
            }

            worstSum = Math.Max(worstSum, Math.Abs(result.LogSums[row.Row] - row.LogSum) / (2 * logit));
            for (int k = config.HeadSize; k < stride; k++)
                Assert.That(result.Output[(row.Row * stride) + k], Is.Zero, "padding of a head");
        }

        TestContext.Out.WriteLine($"worst {worst} of the bound, log-sum {worstSum}");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(worst, Is.LessThanOrEqualTo(1), "the worst error as a part of what is allowed");
            Assert.That(worstSum, Is.LessThanOrEqualTo(1), "the worst error of a log-sum likewise");
            Assert.That(result.Outside, Is.Zero);
        }
    }

    private static double LogitError(ScopeAttentionMmaRow row, int headSize)
        => (Math.ScaleB(1, -24) * (headSize + row.PatchCount + 16) * (row.LogitTerms + 1)) + Math.ScaleB(1, -20);

    private static double Tolerance(ScopeAttentionMmaCase @case, ScopeAttentionMmaRow row, int k, double logit)
    {
        double weights = (row.Magnitudes[k] * (@case.Roundoff + (2 * logit)))
            + (row.PatchCount * Math.ScaleB(1, -25) * row.Largest[k]);
        return weights + (@case.Roundoff * (Math.Abs(row.Output[k]) + weights)) + Math.ScaleB(1, -25);
    }
}
