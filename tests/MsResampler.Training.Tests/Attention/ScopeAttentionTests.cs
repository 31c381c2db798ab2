using MsResampler.Cpu.Simd;
using MsResampler.Training.Attention;

namespace MsResampler.Training.Tests.Attention;

/// <summary>Attention and its gradients against loops in double precision.</summary>
[TestFixtureSource(typeof(SimdFixtures), nameof(SimdFixtures.All))]
internal sealed class ScopeAttentionTests<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
{
    private static readonly PatchGrid s_grid = new(9, 13);

    [Test]
    public void Random_cases_agree_with_loops([Range(0, 99)] int seed) => Check(AttentionCase.Draw(seed));

    [Test]
    public void Every_head_size_agrees_with_loops(
        [Values(1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 128)] int headSize,
        [Values] bool hasWindow)
        => Check(new AttentionCase(hasWindow ? Configs.Window(3, 4) : Configs.None, new QueryGrid(5, 7), headSize,
            [s_grid]));

    /// <summary>Numbers of keys and queries around the sizes of blocks and register tiles.</summary>
    [Test]
    public void Every_number_of_keys_and_queries_agrees_with_loops([Values(1, 2, 95, 96, 97, 191, 193)] int keyCount,
        [Values(1, 2, 15, 16, 17, 47, 49, 63, 65)] int queryCount)
    {
        Check(new AttentionCase(Configs.Gaussian(50, 50), new QueryGrid(1, queryCount), 16,
            [new PatchGrid(1, keyCount)], [3.5f, 3f]));
        Check(new AttentionCase(Configs.None, new QueryGrid(queryCount, 1), 16, [new PatchGrid(keyCount, 1)]));
    }

    [Test]
    public void Windows_agree_with_loops([Values] WindowBorder border, [Values] ScopeUnits units,
        [Values(0, 1, 2, 3)] int size, [Values] bool isGaussian)
    {
        AxisPair window = units == ScopeUnits.Patches
            ? new AxisPair[] { new(1, 1), new(4, 3), new(9, 13), new(200, 100) }[size]
            : new AxisPair[] { new(0.01, 0.01), new(0.3, 0.2), new(1, 1), new(7, 9) }[size];
        ScopeConfig scope = isGaussian ? Configs.Gaussian(0.5, 0.7, window, units) with { Border = border }
            : Configs.Window(window.Rows, window.Columns, border, units);
        Check(new AttentionCase(scope, new QueryGrid(5, 4), 8, [s_grid, new(1, 1), new(24, 7)]));
    }

    /// <summary>Biases of neighbouring patches differ by up to a million.</summary>
    [Test]
    public void Tiny_sigmas_agree_with_loops([Values(1, 0.2f, 0.05f, 0.001f)] float sigma, [Values] bool isGroup,
        [Values(1, 300)] double scale)
        => Check(new AttentionCase(Configs.Gaussian(1, 1), new QueryGrid(5, 4), 8,
            isGroup ? [s_grid, new(4, 6), new(10, 10), new(1, 1)] : [s_grid],
            [MathF.Log(sigma), MathF.Log(sigma * 1.25f)], scale));

    /// <summary>Biases beyond the range of float32 hide a patch, and its weight of 0 adds nothing to the gradient of
    /// sigma.</summary>
    [Test]
    public void A_vanishing_sigma_leaves_the_nearest_patch([Values(-30, -60, -300)] float logSigma)
    {
        // Anchors are on patches, at a distance of thousands from the others.
        const int Distance = 667;
        QueryGrid queries = new(1, 12);
        AttentionCase inputs = new(Configs.Gaussian(1, 1), queries, 8,
            [new PatchGrid(1, Distance * queries.Columns)], [logSigma, logSigma]);
        AttentionRun<TSimd, TVector> actual = new(inputs);
        Assert.That(actual.Outputs, Is.EqualTo(Enumerable.Range(0, queries.Columns).SelectMany(query
            => inputs.PatchValues[0].Skip(((Distance * query) + (Distance / 2)) * 8).Take(8))));
        Assert.That(actual.SigmaGradients, Is.EqualTo(new float[2]));
    }

    /// <summary>The nearest row of one frame and the nearest column of the other are at the anchors. The shifts of
    /// both frames are near −100,000 and equal, so logits would lose all precision next to them.</summary>
    [Test]
    public void Equal_shifts_of_unequal_frames_leave_no_trace()
        => Check(new AttentionCase(Configs.Gaussian(0.001, 0.001), new QueryGrid(4, 4), 8, [new(1, 12), new(12, 1)]));

    [Test]
    public void Large_logits_agree_with_loops([Values(10, 300, 3_000)] double scale, [Values] bool isGroup)
    {
        AttentionCase inputs = new(Configs.Gaussian(3, 4), new QueryGrid(5, 4), 32,
            isGroup ? [s_grid, new(4, 6)] : [s_grid], logitScale: scale);
        Check(inputs);
    }

    [Test]
    public void Gradients_of_keys_and_values_are_added()
    {
        const float Earlier = 4096;
        foreach (ScopeConfig scope in new[] { Configs.None, Configs.Window(3, 3) })
        {
            AttentionCase inputs = new(scope, new QueryGrid(3, 4), 16, [s_grid, new(3, 3)]);
            NaiveAttention expected = NaiveAttention.Of(inputs);
            AttentionRun<TSimd, TVector> actual = new(inputs, earlier: Earlier);
            // Every tile of queries adds once, and a sum near 4096 has an error of half a unit in the last place,
            // 2⁻¹².
            const double Tolerance = 1.0 / 256;
            AssertAdded(Join(actual.KeyGradients), Join(expected.KeyGradients));
            AssertAdded(Join(actual.ValueGradients), Join(expected.ValueGradients));

            static void AssertAdded(float[] values, double[] gradients)
            {
                foreach ((float value, double gradient) in values.Zip(gradients))
                    Assert.That(value, Is.EqualTo(Earlier + gradient).Within(Tolerance));
            }
        }
    }

    [Test]
    public void Results_do_not_depend_on_strides([Values] ScopePrior prior)
    {
        ScopeConfig scope = prior switch
        {
            ScopePrior.None => Configs.None,
            ScopePrior.Window => Configs.Window(3, 4),
            _ => Configs.Gaussian(2, 3),
        };
        AttentionCase inputs = new(scope, new QueryGrid(5, 7), 32, [s_grid, new(3, 4)], logitScale: 5);
        int[] expected = AllBits(new AttentionRun<TSimd, TVector>(inputs, padding: 0));
        Assert.That(AllBits(new AttentionRun<TSimd, TVector>(inputs, padding: 0)), Is.EqualTo(expected), "again");
        Assert.That(AllBits(new AttentionRun<TSimd, TVector>(inputs, padding: 37)), Is.EqualTo(expected), "padded");
    }

    [Test]
    public void Gradients_that_are_not_needed_do_not_change_others([Values] GradientsOfHead omitted)
    {
        AttentionCase inputs = new(Configs.Gaussian(2, 3, new AxisPair(5, 5)), new QueryGrid(5, 7), 24,
            [s_grid, new(3, 4)]);
        AttentionRun<TSimd, TVector> all = new(inputs);
        AttentionRun<TSimd, TVector> some = new(inputs, omitted: omitted);
        using (Assert.EnterMultipleScope())
        {
            AssertSame(GradientsOfHead.Queries, all.QueryGradients, some.QueryGradients, inputs.Queries);
            AssertSame(GradientsOfHead.Keys, all.KeyGradients, some.KeyGradients,
                [.. inputs.Keys.Select(keys => new float[keys.Length])]);
            AssertSame(GradientsOfHead.Values, all.ValueGradients, some.ValueGradients,
                [.. inputs.Keys.Select(keys => new float[keys.Length])]);
            AssertSame(GradientsOfHead.Sigma, [all.SigmaGradients], [some.SigmaGradients], [[float.NaN, float.NaN]]);
        }

        void AssertSame(GradientsOfHead kind, float[][] expected, float[][] actual, float[][] untouched)
            => Assert.That(Bits(Join(actual)), Is.EqualTo(Bits(Join(kind == omitted ? untouched : expected))),
                $"{kind}");
    }

    /// <summary>A logit that overflows gives outputs of NaN, whichever sign it has, and not a weight of 0.</summary>
    [Test]
    public void An_overflow_is_not_hidden([Values(1, -1)] int sign)
    {
        AttentionCase inputs = new(Configs.None, new QueryGrid(1, 2), 4, [new(2, 2)]);
        inputs.Queries[0].AsSpan(0, 4).Fill(1e30f);
        inputs.Keys[0].AsSpan(0, 4).Fill(sign * 1e30f);
        AttentionRun<TSimd, TVector> actual = new(inputs);
        Assert.That(actual.Outputs[..4], Is.All.NaN);
        Assert.That(actual.Outputs[4..], Has.All.Matches<float>(float.IsFinite));
        Assert.That(actual.QueryGradients[0][..4], Is.All.NaN);
    }

    /// <summary>With 16 times as many patches and queries, a matrix of both would grow 256 times; scratch memory
    /// grows with the perimeter of the grid, at most 4 times.</summary>
    [Test]
    public void Scratch_memory_grows_with_the_perimeter()
    {
        foreach (ScopeConfig scope in new[] { Configs.None, Configs.Gaussian(3, 3), Configs.Window(5, 5) })
        {
            int small = Count(scope, new QueryGrid(12, 12), new PatchGrid(24, 24));
            int large = Count(scope, new QueryGrid(48, 48), new PatchGrid(96, 96));
            Assert.That(large, Is.LessThan(4 * small), $"{scope.Prior}");
            Assert.That(large, Is.LessThan(100_000), $"{scope.Prior}: floats, where 48·48·96·96 are 21 million");
        }

        static int Count(ScopeConfig scope, QueryGrid queries, PatchGrid grid)
        {
            AttentionCase inputs = new(scope, queries, 64, [new(1, 1)]);
            ScopeAttention<TSimd, TVector> attention = new(inputs.Scope, inputs.Config);
            return attention.ScratchCount(attention.CreateGeometry(grid));
        }
    }

    private static int[] AllBits(AttentionRun<TSimd, TVector> run) => Bits([.. run.Outputs,
        .. Join(run.QueryGradients), .. Join(run.KeyGradients), .. Join(run.ValueGradients), .. run.SigmaGradients]);

    private static int[] Bits(float[] values) => [.. values.Select(BitConverter.SingleToInt32Bits)];

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
