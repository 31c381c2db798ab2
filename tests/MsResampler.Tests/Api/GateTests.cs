namespace MsResampler.Tests.Api;

/// <summary>Calls that give gate weights with the tokens.</summary>
internal sealed class GateTests : ResamplerFixture
{
    private static int GateCount => Config.QueryGrid.QueryCount * Config.Scopes.Count * Config.GateGroupCount;

    [Test]
    public void Tokens_are_those_of_a_call_and_gate_weights_those_of_an_explanation([Values(1, 3)] int threadCount)
    {
        using Resampler resampler = Load(threadCount);
        float[][] expected = [.. Grids.Select((grid, image)
            => resampler.Explain(Features[image], grid).Gate.ToArray())];
        int[] all = [.. Enumerable.Range(0, Grids.Length)];
        Assert.That((Config.Scopes.Count, Config.GateGroupCount), Is.EqualTo((3, 3)), "an index of each dimension");

        foreach (int[] images in new int[][] { [0], [9], all, [.. all.Reverse()], [2, 2, 1, 7, 2] })
        {
            (float[] tokens, float[] gate) = ResampleWithGate(resampler, images);

            AssertBits(tokens, images);
            Assert.That(gate, Has.Length.EqualTo(images.Length * GateCount));
            Assert.That(Bits(gate), Is.EqualTo(Bits([.. images.SelectMany(image => expected[image])])),
                string.Join(", ", images));
        }
    }

    [Test]
    public void Calls_without_a_gate_between_calls_with_one_leave_its_memory_unchanged()
    {
        using Resampler resampler = Load();
        (_, float[] gate) = ResampleWithGate(resampler, 0, 2);
        float[] kept = [.. gate];
        gate.AsSpan().Fill(Untouched);

        AssertBits(Resample(resampler, 9, 2), 9, 2);

        Assert.That(gate, Is.All.EqualTo(Untouched));
        Assert.That(ResampleWithGate(resampler, 0, 2).Gate, Is.EqualTo(kept));
    }

    [Test]
    public void A_model_without_a_gate_gives_weights_of_one()
    {
        using TestModel model = new(Configs.Of(Configs.None));
        PatchGrid[] grids = [new(2, 3), new(4, 4)];
        float[] features = [.. grids.SelectMany((grid, image) => model.RandomFeatures(grid, image))];
        float[] tokens = new float[model.Engine.TokenLength(2)];
        float[] gate = new float[model.Engine.GateLength(2)];

        model.Engine.Resample(features, new FrameGroups(grids), tokens, gate);

        Assert.That(gate, Has.Length.EqualTo(2 * model.Engine.TokenCount).And.All.EqualTo(1f));
        Assert.That(Bits(tokens), Is.EqualTo(Bits(model.Engine.Resample(features, grids))));
    }

    [Test]
    public void The_length_of_the_gate_follows_from_the_model()
    {
        using Resampler resampler = Load();

        using (Assert.EnterMultipleScope())
        {
            Assert.That((resampler.GateLength(0), resampler.GateLength(1), resampler.GateLength(5)),
                Is.EqualTo((0, 9 * 3 * 3, 5 * 9 * 3 * 3)));
            Assert.That(() => resampler.GateLength(-1), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => resampler.GateLength(int.MaxValue), Throws.TypeOf<ArgumentOutOfRangeException>()
                .With.Message.Contains("173946175407 (2147483647 x 9 tokens x 3 scopes x 3 gate groups)"));
        }
    }

    [Test]
    public void A_wrong_length_is_rejected_before_any_work([Values(-81, -1, 1, 81)] int difference)
    {
        using Resampler resampler = Load();
        float[] tokens = [.. Enumerable.Repeat(Untouched, TokenCount)];
        float[] gate = [.. Enumerable.Repeat(Untouched, GateCount + difference)];

        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => resampler.Resample(Features[0], new FrameGroups([Grids[0]]), tokens, gate),
                Throws.ArgumentException.With.Property("ParamName").EqualTo("gate").And.Message.Contains("gate: " +
                $"expected 81 (1 images x 9 tokens x 3 scopes x 3 gate groups) values, found {81 + difference}"));
            Assert.That(() => resampler.Resample(Features[0], new FrameGroups([Grids[0]]), tokens.AsSpan(1), gate),
                Throws.ArgumentException.With.Property("ParamName").EqualTo("tokens"));
            Assert.That(tokens, Is.All.EqualTo(Untouched));
            Assert.That(gate, Is.All.EqualTo(Untouched));
        }
    }

    [Test]
    public void A_batch_without_images_has_no_gate_weights()
    {
        using Resampler resampler = Load();

        Assert.That(() => resampler.Resample([], new FrameGroups([]), [], []), Throws.Nothing);
        Assert.That(() => resampler.Resample([], new FrameGroups([]), [], new float[1]), Throws.ArgumentException);
    }

    [Test]
    public void Gate_weights_must_not_overlap_features_or_tokens()
    {
        using Resampler resampler = Load();
        // The features, the tokens and the gate weights of the first image, one after another.
        float[] memory = new float[240 + TokenCount + GateCount];
        Features[0].CopyTo(memory, 0);

        using (Assert.EnterMultipleScope())
        {
            foreach ((int tokenStart, int gateStart, string what) in new[]
            {
                (240, 239, "gate weights in memory of their own, found them overlapping the features"),
                (240, 0, "gate weights in memory of their own, found them overlapping the features"),
                (240, 239 + TokenCount, "gate weights in memory of their own, found them overlapping the tokens"),
                (240, 240, "gate weights in memory of their own, found them overlapping the tokens"),
                (239, 240 + TokenCount, "tokens in memory of their own, found them overlapping the features"),
            })
            {
                Assert.That(() => resampler.Resample(memory.AsSpan(0, 240), new FrameGroups([Grids[0]]),
                        memory.AsSpan(tokenStart, TokenCount), memory.AsSpan(gateStart, GateCount)),
                    Throws.ArgumentException.With.Message.Contains(what), $"{tokenStart}, {gateStart}");
            }

            Assert.That(memory.AsSpan(240).ToArray(), Is.All.Zero);
            Assert.That(() => resampler.Resample(memory.AsSpan(0, 240), new FrameGroups([Grids[0]]),
                memory.AsSpan(240, TokenCount), memory.AsSpan(240 + TokenCount, GateCount)), Throws.Nothing);
        }

        AssertBits(memory.AsSpan(240, TokenCount).ToArray(), 0);
    }

    [Test]
    public void A_cancelled_call_throws_and_writes_no_tokens()
    {
        using Resampler resampler = Load();
        float[] tokens = [.. Enumerable.Repeat(Untouched, TokenCount)];

        Assert.That(() => resampler.Resample(Features[0], new FrameGroups([Grids[0]]), tokens, new float[GateCount],
            new CancellationToken(canceled: true)), Throws.InstanceOf<OperationCanceledException>());

        Assert.That(tokens, Is.All.EqualTo(Untouched));
        AssertBits(ResampleWithGate(resampler, 0).Tokens, 0);
    }

    [Test]
    public void A_default_in_fourth_place_is_a_cancellation_token()
    {
        using Resampler resampler = Load();
        float[] tokens = new float[TokenCount];

        resampler.Resample(Features[0], new FrameGroups([Grids[0]]), tokens, default);

        AssertBits(tokens, 0);
    }

    [Test]
    public void A_disposed_model_rejects_calls()
    {
        Resampler resampler = Load();
        resampler.Dispose();

        Assert.That(() => ResampleWithGate(resampler, 0), Throws.TypeOf<ObjectDisposedException>());
    }

    private (float[] Tokens, float[] Gate) ResampleWithGate(Resampler resampler, params int[] images)
    {
        float[] tokens = new float[images.Length * TokenCount];
        float[] gate = new float[resampler.GateLength(images.Length)];
        resampler.Resample([.. images.SelectMany(image => Features[image])],
            new FrameGroups([.. images.Select(image => Grids[image])]), tokens, gate);
        return (tokens, gate);
    }
}
