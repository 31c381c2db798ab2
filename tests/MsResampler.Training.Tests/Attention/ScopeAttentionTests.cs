using MsResampler.Cpu.Simd;

namespace MsResampler.Training.Tests.Attention;

/// <summary>Attention and its gradients against loops in double precision.</summary>
[TestFixtureSource(typeof(SimdFixtures), nameof(SimdFixtures.All))]
internal sealed class ScopeAttentionTests<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
{
    [Test]
    public void Random_cases_agree_with_loops([Range(0, 59)] int seed) => Check(AttentionCase.Draw(seed));

    private static void Check(AttentionCase inputs)
    {
        NaiveAttention expected = NaiveAttention.Of(inputs);
        AttentionRun<TSimd, TVector> actual = new(inputs);
        (string Name, float[] Actual, double[] Expected, double[] Terms)[] tensors =
        [
            ("outputs", actual.Outputs, expected.Outputs, expected.Outputs),
            ("queries", Join(actual.QueryGradients), Join(expected.QueryGradients), Join(expected.QueryTerms)),
            ("keys", Join(actual.KeyGradients), Join(expected.KeyGradients), Join(expected.KeyTerms)),
            ("values", Join(actual.ValueGradients), Join(expected.ValueGradients), Join(expected.ValueGradients)),
            ("row sigma", actual.SigmaGradients[..1], expected.SigmaGradients[..1], expected.SigmaTerms[..1]),
            ("column sigma", actual.SigmaGradients[1..], expected.SigmaGradients[1..], expected.SigmaTerms[1..]),
        ];
        using (Assert.EnterMultipleScope())
        {
            foreach ((string name, float[] values, double[] reference, double[] terms) in tensors)
            {
                double error = Norm([.. values.Zip(reference, (value, exact) => value - exact)]);
                Assert.That(error, Is.LessThanOrEqualTo(
                    Tolerances.AttentionGradient(expected.LargestLogit) * Norm(terms)), $"{name} of {inputs}");
            }
        }
    }

    private static double Norm(double[] values) => Math.Sqrt(values.Sum(value => value * value));

    private static T[] Join<T>(T[][] frames) => [.. frames.SelectMany(frame => frame)];
}
