namespace MsResampler.Tests.Api;

/// <summary>Attention and gate weights of an explanation.</summary>
internal sealed class ExplanationTests : ResamplerFixture
{
    [Test]
    public void An_explanation_has_weights_only_within_each_scope([Values(0, 1, 2, 4)] int image)
    {
        using Resampler resampler = Load();
        PatchGrid grid = Grids[image];
        int queryCount = Config.QueryGrid.QueryCount;

        Explanation explanation = resampler.Explain(Features[image], grid);

        Assert.That((explanation.Grid, explanation.QueryCount, explanation.ScopeCount, explanation.HeadCount,
            explanation.GateGroupCount), Is.EqualTo((grid, 9, 3, 3, 3)));
        for (int scope = 0; scope < 3; scope++)
        {
            ScopeWindows windows = ScopeWindows.Resolve(Config.Scopes[scope], Config.QueryGrid, grid);
            for (int head = 0; head < 3; head++)
            {
                float[] weights = explanation.Attention(scope, head).ToArray();
                Assert.That(weights, Has.Length.EqualTo(queryCount * grid.PatchCount).And.All.InRange(0, 1.000001));
                for (int query = 0; query < queryCount; query++)
                {
                    double sum = 0;
                    for (int patch = 0; patch < grid.PatchCount; patch++)
                    {
                        float weight = weights[(query * grid.PatchCount) + patch];
                        sum += weight;
                        if (!windows.Rows[query / 3].Contains(patch / grid.Columns)
                            || !windows.Columns[query % 3].Contains(patch % grid.Columns))
                            Assert.That(weight, Is.Zero);
                    }

                    // Each weight is rounded once, after a division by a sum that is rounded once.
                    Assert.That(sum, Is.EqualTo(1).Within(2.0 / (1 << 23)));
                }
            }
        }

        float[] gate = explanation.Gate.ToArray();
        Assert.That(gate, Has.Length.EqualTo(queryCount * 3 * 3).And.All.InRange(0, 1));
        for (int query = 0; query < queryCount; query++)
            for (int group = 0; group < 3; group++)
                Assert.That(Enumerable.Range(0, 3).Sum(scope => (double)gate[(((query * 3) + scope) * 3) + group]),
                    Is.EqualTo(1).Within(3.0 / (1 << 23)));
    }

    [Test]
    public void An_explanation_has_the_tokens_of_a_call()
    {
        using Resampler resampler = Load();
        float[] frames = [.. Features[0], .. Features[2]];
        PatchGrid[] grids = [Grids[0], Grids[2]];

        foreach (int image in new[] { 0, 1, 2, 9 })
            AssertBits(resampler.Explain(Features[image], Grids[image]).Tokens.ToArray(), image);
        Assert.That(Bits(resampler.Explain(frames, grids, [0, 1]).Tokens),
            Is.EqualTo(Bits(resampler.Resample(frames, new FrameGroups(grids, [0, 1], [2])))));
    }

    /// <summary>The token is cancelled before the call, and at any moment of it: the attention of the largest image
    /// takes most of the time.</summary>
    [Test]
    public void An_explanation_can_be_cancelled()
    {
        using Resampler resampler = Load();
        using CancellationTokenSource source = new();

        Assert.That(() => resampler.Explain(Features[0], Grids[0], new CancellationToken(true)),
            Throws.InstanceOf<OperationCanceledException>());
        Assert.That(() => resampler.Explain(Features[0], [Grids[0]], [0], new CancellationToken(true)),
            Throws.InstanceOf<OperationCanceledException>());
        source.CancelAfter(TimeSpan.FromMilliseconds(200));
        Assert.That(() =>
        {
            while (true)
                resampler.Explain(Features[9], Grids[9], source.Token);
        }, Throws.InstanceOf<OperationCanceledException>());
        AssertBits(resampler.Explain(Features[9], Grids[9]).Tokens.ToArray(), 9);
    }

    [Test]
    public void An_explanation_rejects_indices_of_missing_scopes_and_heads()
    {
        using Resampler resampler = Load();
        Explanation explanation = resampler.Explain(Features[0], Grids[0]);

        Assert.That(() => explanation.Attention(0, 3).Length, Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => explanation.Attention(0, -1).Length, Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => explanation.Attention(3, 0).Length, Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => explanation.Attention(-1, 0).Length, Throws.TypeOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void One_scope_has_gate_weights_of_one()
    {
        using TestModel model = new(Configs.Of(Configs.None));

        Explanation explanation = model.Engine.Explain(model.RandomFeatures(Grids[0], 1), Grids[0]);

        Assert.That(explanation.Gate.ToArray(), Is.EqualTo(new float[] { 1, 1, 1, 1, 1, 1 }));
        Assert.That((explanation.ScopeCount, explanation.GateGroupCount), Is.EqualTo((1, 1)));
    }
}
