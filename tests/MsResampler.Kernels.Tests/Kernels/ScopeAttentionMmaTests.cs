using MsResampler.Kernels.Attention;

namespace MsResampler.Kernels.Tests.Kernels;

/// <summary>The tensor-core attention for whole schedules, compared with loops in double precision over the rounded
/// inputs.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class ScopeAttentionMmaTests
{
    private const int LargestHead = 128;

    /// <summary>One scope of each kind. With 5 × 7 queries there are wide and narrow tiles; with 9 × 11 patches,
    /// full, masked and cut ones.</summary>
    private static readonly ScopeConfig[] s_mixed =
    [
        Configs.None, Configs.Window(3, 4), Configs.Gaussian(2, 3, new AxisPair(5, 4)),
    ];

    [Test]
    public void Heads_of_every_size_agree_with_loops(
        [Values(1, 20, 32, 40, 64, 72, 80, 96, 100, LargestHead)] int headSize, [Values] bool isHalf)
        => Check(Config(headSize, new QueryGrid(5, 7), s_mixed), isHalf, [new(9, 11)]);

    private static IEnumerable<TestCaseData> Scopes()
    {
        (string Name, QueryGrid Queries, PatchGrid[] Grids, ScopeConfig[] Scopes)[] cases =
        [
            ("one query, one patch", new(1, 1), [new(1, 1)], [Configs.None]),
            ("16 queries exactly, 16 keys", new(4, 4), [new(4, 4)], [Configs.None, Configs.Gaussian(1, 1)]),
            ("17 queries", new(1, 17), [new(8, 8), new(3, 3)], [Configs.None, Configs.Window(2, 2)]),
            ("64 queries, whole tiles", new(8, 8), [new(16, 16)], [Configs.None, Configs.Window(16, 12)]),
            ("tails of one, two and three units", new(6, 6), [new(5, 13), new(8, 11), new(10, 11)], [Configs.None]),
            ("windows far apart", new(4, 4), [new(24, 24)], [Configs.Window(1, 1), Configs.Window(2, 1)]),
            ("strips", new(1, 20), [new(1, 50), new(37, 1)], [Configs.Window(3, 5), Configs.Gaussian(2, 4)]),
            ("windows larger than the grid", new(5, 5), [new(3, 4)],
                [Configs.Window(9, 9), Configs.Window(9, 2, WindowBorder.Shift)]),
            ("shifted windows", new(7, 5), [new(12, 10)], [Configs.Window(5, 4, WindowBorder.Shift)]),
            ("fractions of ragged grids", new(6, 6), [new(12, 9), new(5, 17)],
                [
                    Configs.Window(0.3, 0.4, units: ScopeUnits.Fraction),
                    Configs.Gaussian(0.2, 0.1, units: ScopeUnits.Fraction),
                ]),
            ("a wide Gaussian without a window", new(8, 6), [new(14, 14)], [Configs.Gaussian(3, 5)]),
            ("a vanishing Gaussian", new(5, 7), [new(10, 14), new(9, 13)],
                [Configs.Gaussian(1e-30, 1e-3), Configs.Gaussian(1e-200, 2, new AxisPair(3, 3))]),
        ];
        return cases.Select(@case => new TestCaseData(Config(32, @case.Queries, @case.Scopes), @case.Grids)
            .SetArgDisplayNames(@case.Name));
    }

    [TestCaseSource(nameof(Scopes))]
    public void Scopes_of_every_kind_agree_with_loops(ResamplerConfig config, PatchGrid[] grids)
        => Check(config, isHalf: true, grids);

    /// <summary>Every number of keys whose last tile of 64 is cut in its last unit of 16. The images before and after
    /// are NaN, the keys of the last unit have most of the weight, and a place without a key, whose logit is 0, would
    /// have more: a key too few, too many or at a wrong place changes every result.</summary>
    /// <param name="queryCount">Queries of a tile: a block of up to 16 is narrow, others are wide.</param>
    /// <param name="isHalf">Whether the type is float16.</param>
    /// <param name="tileCount">Whole tiles of keys before the last one.</param>
    [Test]
    public void A_last_unit_of_any_number_of_keys_agrees_with_loops([Values(16, 32, 64)] int queryCount,
        [Values] bool isHalf, [Values(0, 1, 2)] int tileCount)
    {
        const int Tile = ScopeSchedule.TileKeys;
        ResamplerConfig config = Config(32, new QueryGrid(1, queryCount), Configs.None, Configs.Gaussian(1000, 1000));
        PatchGrid[] grids = [.. Enumerable.Range((Tile * tileCount) + 49, 15)
            .SelectMany(keyCount => new[] { new PatchGrid(1, 1), new PatchGrid(1, keyCount) })
            .Append(new PatchGrid(1, 1))];
        ScopeAttentionMmaCase @case = new ScopeAttentionMmaCase(config, isHalf, grids)
            .WithLogits((image, patch) => patch < grids[image].Columns / 16 * 16 ? -24 : -12)
            .WithNaN(image => image % 2 == 0);
        Assert.That(@case.PlanOf(grids[1]).Scopes.SelectMany(scope => scope.Tiles)
            .Select(tile => tile.QueryCount), Is.All.EqualTo(queryCount));
        Check(config, @case);
    }

    [Test]
    public void Scopes_may_share_keys_and_values([Values] bool isHalf)
        => Check(Config(40, new QueryGrid(5, 7), s_mixed) with { ShareKeyValues = true }, isHalf,
            [new(9, 11), new(6, 5)]);

    /// <summary>A block of few queries processes a different head in each of its four warps.</summary>
    [Test]
    public void Any_number_of_heads_agrees_with_loops([Values(1, 3, 4, 5)] int headCount)
        => Check(Config(32, new QueryGrid(5, 7), s_mixed) with
        {
            HiddenSize = 32 * headCount,
            AttentionHeadCount = headCount,
        }, isHalf: true, [new(9, 11)]);

    [Test]
    public void Learned_sigmas_differ_from_head_to_head()
        => Check(Config(64, new QueryGrid(5, 7), s_mixed), isHalf: true, [new(9, 11), new(7, 8)],
            [null, null, [0.2, 1.5, -0.7, 0.9]]);

    [Test]
    public void Bits_depend_only_on_the_image([Values(32, 64, LargestHead)] int headSize)
    {
        ResamplerConfig config = Config(headSize, new QueryGrid(5, 7), s_mixed);
        float[] alone = new ScopeAttentionMmaCase(config, true, [new(9, 11)], seeds: [3]).Run().Output;
        var batch = new ScopeAttentionMmaCase(config, true, [new(5, 6), new(9, 11), new(12, 4)], seeds: [1, 3, 2]);

        float[] first = batch.Run(seed: 5).Output;
        float[] second = batch.Run(seed: 6, isReversed: true, storesLogSums: false).Output;

        Assert.That(first[alone.Length..(2 * alone.Length)], Is.EqualTo(alone));
        Assert.That(second, Is.EqualTo(first));
    }

    [Test]
    public void An_overflowed_value_becomes_NaN_in_the_output([Values] bool isHalf)
    {
        // A single query, and a tile shared by warps.
        foreach (QueryGrid queries in new QueryGrid[] { new(1, 1), new(5, 7) })
        {
            ScopeAttentionMmaCase @case = new(Config(32, queries, Configs.None), isHalf, [new(5, 5)]);
            Assert.That(@case.Run().Output, Has.All.Matches<float>(float.IsFinite));
            Assert.That(@case.WithValue(3, float.NaN).Run().Output, Has.Some.NaN);
        }
    }

    [Test]
    public void A_map_is_the_softmax_of_each_query([Values(0, 1, 2)] int scope, [Values(32, 72)] int headSize)
    {
        ResamplerConfig config = Config(headSize, new QueryGrid(5, 7), s_mixed);
        ScopeAttentionMmaCase @case = new(config, headSize == 32, [new(5, 6), new(9, 11)]);

        float[] maps = @case.Run(mapScope: scope).Maps;

        double worst = 0;
        foreach (ScopeAttentionMmaRow row in @case.Expected().Where(row => row.Image == 1 && row.Scope == scope))
        {
            int map = ((row.Head * config.QueryGrid.QueryCount) + row.Query) * row.PatchCount;
            for (int patch = 0; patch < row.PatchCount; patch++)
            {
                // The error of a weight is that of its logit and of the log-sum; outside the window nothing is added.
                worst = Math.Max(worst, Math.Abs(maps[map + patch] - row.Weights[patch])
                    / ((2 * WeightError(row) * row.Weights[patch]) + double.Epsilon));
            }
        }

        Assert.That(worst, Is.InRange(0d, 1d), "the largest error relative to the allowed error");
    }

    [Test]
    public void A_grid_beyond_the_range_of_table_indices_is_rejected()
    {
        ResamplerConfig config = Config(32, new QueryGrid(1, 1), Configs.Window(1, 1));
        PatchGrid grid = new(1, ScopeSchedule.MaxGridExtent + 1);
        ScopeAttentionMmaCase @case = new(config, true, []);

        Assert.That(() => new ScopeSchedule(config, @case.PlanOf(grid), [null]),
            Throws.TypeOf<NotSupportedException>().With.Message.Contains("1x32768"));
        Assert.That(() => new ScopeSchedule(config, @case.PlanOf(grid with { Columns = ScopeSchedule.MaxGridExtent }),
            [null]), Throws.Nothing);
    }

    private static ResamplerConfig Config(int headSize, QueryGrid queries, params ScopeConfig[] scopes)
        => Configs.Of(scopes) with { HiddenSize = 2 * headSize, AttentionHeadCount = 2, QueryGrid = queries };

    private static void Check(ResamplerConfig config, bool isHalf, PatchGrid[] grids, double[]?[]? logSigmas = null)
        => Check(config, new ScopeAttentionMmaCase(config, isHalf, grids, logSigmas));

    private static void Check(ResamplerConfig config, ScopeAttentionMmaCase @case)
    {
        ScopeAttentionMmaResult result = @case.Run();

        double worst = 0;
        double worstSum = 0;
        bool isPaddingZero = true;
        int stride = 8 * @case.HeadVectors;
        foreach (ScopeAttentionMmaRow row in @case.Expected())
        {
            for (int k = 0; k < config.HeadSize; k++)
            {
                worst = Math.Max(worst, Math.Abs(result.Output[(row.Row * stride) + k] - row.Output[k])
                    / Tolerance(@case, row, k));
            }

            worstSum = Math.Max(worstSum, Math.Abs(result.LogSums[row.Row] - row.LogSum) / (WeightError(row) / Ln2));
            for (int k = config.HeadSize; k < stride; k++)
                isPaddingZero &= result.Output[(row.Row * stride) + k] == 0;
        }

        TestContext.Out.WriteLine($"largest errors relative to the allowed ones: {worst:0.00} and {worstSum:0.00}");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(worst, Is.InRange(0d, 1d), "the largest error relative to the allowed error");
            Assert.That(worstSum, Is.InRange(0d, 1d), "the largest error of a log-sum relative to the allowed error");
            Assert.That(isPaddingZero, "the padding of heads");
        }
    }

    private const double Ln2 = 0.69314718055994531;

    /// <summary>The relative float32 error of a weight, or of the sum of the weights: the error of the logit; of its
    /// difference to the maximum, which is less than 40 for significant weights; of ex2 and lg2, 2⁻²²; and one
    /// rounding per addition and per tile of 16 or 64 keys, because the sum so far is scaled by a factor that is
    /// itself an ex2. That is at most one 2⁻²² per patch.</summary>
    private static double WeightError(ScopeAttentionMmaRow row)
        => (Ln2 * (row.LogitError + (40 * Math.ScaleB(1, -24)))) + ((row.PatchCount + 4) * Math.ScaleB(1, -22));

    /// <summary>The allowed error of a result. Each weight is rounded to the element type, whose smallest values are
    /// 2⁻²⁴ apart, and has the float32 error of the sum. The result has that error too and is rounded to the element
    /// type.</summary>
    private static double Tolerance(ScopeAttentionMmaCase @case, ScopeAttentionMmaRow row, int k)
    {
        double sum = (row.Magnitudes[k] * (@case.Roundoff + (3 * WeightError(row))))
            + (row.PatchCount * Math.ScaleB(1, -25) * row.Largest[k]);
        return sum + (@case.Roundoff * (Math.Abs(row.Output[k]) + sum)) + Math.ScaleB(1, -25);
    }
}
