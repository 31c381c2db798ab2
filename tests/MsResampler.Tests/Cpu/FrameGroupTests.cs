using MsResampler.Cpu;
using MsResampler.Cpu.Simd;
using MsResampler.Planning;
using MsResampler.Tests.Parity;

namespace MsResampler.Tests.Cpu;

/// <summary>The promises of groups of frames: their bits do not depend on the batch, a group of one frame is an image,
/// errors name the group, and cost grows with what queries see.</summary>
[TestFixtureSource(typeof(SimdFixtures), nameof(SimdFixtures.All))]
[NonParallelizable]
internal sealed class FrameGroupTests<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
{
    private static readonly ResamplerConfig s_config = Configs.Mixed with
    {
        PositionEmbedding = new(PositionEmbeddingType.SinCos2D, PositionEmbeddingType.SinCos2D,
            FrameEmbeddingType.SinCos1D),
    };

    /// <summary>A narrow window over grids where absorbing it is cheaper than projecting all patches.</summary>
    private static readonly ResamplerConfig s_narrow = Configs.Of(Configs.Window(2, 2)) with
    {
        HiddenSize = 64,
        AttentionHeadCount = 8,
        QueryGrid = new QueryGrid(2, 2),
    };

    private static int TokenCount => s_config.QueryGrid.QueryCount * s_config.OutputSize;

    private static CpuEngine<TSimd, TVector> Load(TestModel model, int threadCount = 2, int strategy = -1)
        => new("test", model.Model, new ResamplerOptions { ThreadCount = threadCount, ProcessorCount = threadCount },
            strategy < 0 ? null : _ => ScopeStrategy.All[strategy]);

    [Test]
    public void Bits_do_not_depend_on_other_groups_their_order_and_threads([Range(-1, 2)] int strategy)
    {
        using TestModel model = new(s_config);
        FrameGroupCase @case = new(model, FrameGroupCase.Ragged);
        using CpuEngine<TSimd, TVector> alone = Load(model, 1, strategy);
        float[][] expected = [.. Enumerable.Range(0, @case.Groups.Length).Select(group
            => @case.Resample(alone, group)[0])];
        foreach (int threadCount in new[] { 1, 3 })
        {
            using CpuEngine<TSimd, TVector> engine = Load(model, threadCount, strategy);
            foreach (int[] order in new int[][] { [0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 4, 2], [1, 0, 4, 1, 4, 3] })
            {
                float[][] tokens = @case.Resample(engine, order);
                for (int index = 0; index < order.Length; index++)
                    Assert.That(Values.Bits(tokens[index]), Is.EqualTo(Values.Bits(expected[order[index]])),
                        $"group {order[index]} in {string.Join(" ", order)}, {threadCount} threads");
            }
        }
    }

    [Test]
    public void A_group_of_one_frame_has_the_bits_of_the_image([Range(-1, 2)] int strategy)
    {
        using TestModel model = new(s_config);
        using CpuEngine<TSimd, TVector> engine = Load(model, strategy: strategy);
        PatchGrid grid = new(5, 7);
        FrameGroupCase @case = new(model, [[(grid, 600)], [(new(3, 3), 1), (new(3, 3), 2)]]);
        float[] image = new float[TokenCount];

        engine.Resample(@case.Features(0), new PatchGrid[] { grid }, image, default);

        Assert.That(Values.Bits(@case.Resample(engine, 0)[0]), Is.EqualTo(Values.Bits(image)));
        Assert.That(Values.Bits(@case.Resample(engine, 1, 0)[1]), Is.EqualTo(Values.Bits(image)), "beside a group");
    }

    /// <summary>A softmax over copies of the same keys gives each copy an equal share.</summary>
    [Test]
    public void Copies_of_a_frame_have_the_tokens_of_the_image([Range(-1, 2)] int strategy, [Values(2, 5)] int count)
    {
        using TestModel model = new(s_config);
        using CpuEngine<TSimd, TVector> engine = Load(model, strategy: strategy);
        PatchGrid grid = new(6, 4);
        float[] features = model.RandomFeatures(grid, 1);
        float[] image = new float[TokenCount];
        float[] copies = new float[TokenCount];

        engine.Resample(features, new PatchGrid[] { grid }, image, default);
        engine.Resample([.. Enumerable.Repeat(features, count).SelectMany(values => values)],
            new FrameGroups([.. Enumerable.Repeat(grid, count)], [.. Enumerable.Repeat(-1, count)], [count]), copies,
            default);

        Assert.That(Tolerances.RelativeError(copies, [.. image.Select(value => (double)value)]),
            Is.LessThanOrEqualTo(Tolerances.TwoSinglePrecisions));
    }

    [Test]
    public void A_group_larger_than_a_stack_of_images_agrees_with_the_reference([Range(-1, 2)] int strategy)
    {
        using TestModel model = new(s_config);
        (PatchGrid Grid, int)[] frames = [.. Enumerable.Range(0, 70).Select(frame
            => (new PatchGrid(6 + (frame % 2), 6), frame))];
        Assert.That(frames.Sum(frame => frame.Grid.PatchCount), Is.GreaterThan(WorkspaceSize.StackRows));
        FrameGroupCase @case = new(model, [frames, [(new(2, 2), -1)]]);
        using CpuEngine<TSimd, TVector> engine = Load(model, strategy: strategy);

        float[][] tokens = @case.Resample(engine, 1, 0, 1);

        Assert.That(Tolerances.RelativeError(tokens[1], @case.Reference(0).Tokens),
            Is.LessThanOrEqualTo(Tolerances.SinglePrecision));
        Assert.That(Values.Bits(tokens[2]), Is.EqualTo(Values.Bits(tokens[0])));
    }

    [Test]
    public void An_overflow_names_the_group([Range(-1, 2)] int strategy, [Values] bool isExplained)
    {
        // Logits overflow in one frame; the features are finite.
        using TestModel model = new(s_config with { Scopes = [Configs.Window(2, 2)], Gate = null },
            edit: tensor => tensor.Name.EndsWith("k_proj.weight", StringComparison.Ordinal)
                ? tensor with { ValueAt = index => 1e38f * tensor.ValueAt(index) } : tensor);
        FrameGroupCase @case = new(model, [[(new(3, 3), 1), (new(2, 3), 2)]]);
        using CpuEngine<TSimd, TVector> engine = Load(model, strategy: strategy);

        ActivationOverflowException? thrown = Assert.Throws<ActivationOverflowException>(() =>
        {
            if (isExplained)
                @case.Explain(engine, 0);
            else
                @case.Resample(engine, 0);
        });

        Assert.That(thrown!.Message, Does.StartWith("group 0 (2 frames, 15 patches)"));
    }

    [Test]
    public void An_overflow_in_one_of_several_groups_is_found()
    {
        using TestModel model = new(s_config);
        using CpuEngine<TSimd, TVector> engine = new("test", model.Model,
            new ResamplerOptions { ThreadCount = 2, ValidateFeatures = false });
        PatchGrid grid = new(2, 3);
        float[] features = [.. Enumerable.Range(0, 5).SelectMany(frame => model.RandomFeatures(grid, frame))];
        int frameLength = features.Length / 5;
        features[(3 * frameLength) + 5] = float.NaN;

        ActivationOverflowException? thrown = Assert.Throws<ActivationOverflowException>(() => engine.Resample(features,
            new FrameGroups([grid, grid, grid, grid, grid], [0, 1, 0, 1, 2], [2, 3]), new float[2 * TokenCount],
            default));

        Assert.That(thrown!.ImageIndex, Is.EqualTo(1));
        Assert.That(thrown.Message, Does.StartWith("group 1 (3 frames, 18 patches)"));
    }

    [Test]
    public void An_invalid_feature_is_named_by_group_and_frame()
    {
        using TestModel model = new(s_config);
        using CpuEngine<TSimd, TVector> engine = Load(model);
        PatchGrid grid = new(2, 3);
        float[] features = [.. Enumerable.Range(0, 3).SelectMany(frame => model.RandomFeatures(grid, frame))];
        features[^1] = float.PositiveInfinity;

        InvalidFeaturesException? thrown = Assert.Throws<InvalidFeaturesException>(() => engine.Resample(features,
            new FrameGroups([grid, grid, grid], [0, 1, 2], [1, 2]), new float[2 * TokenCount], default));

        Assert.That(thrown!.Message, Does.StartWith("group 1, frame 1 (2x3 patches): the feature at row 1, column 2, " +
            $"channel {s_config.VisionHiddenSize - 1} is "));
    }

    [Test]
    public void Callers_of_several_threads_get_the_same_bits()
    {
        using TestModel model = new(s_config);
        FrameGroupCase @case = new(model, FrameGroupCase.Ragged);
        using CpuEngine<TSimd, TVector> engine = new("test", model.Model,
            new ResamplerOptions { ThreadCount = 2, GridCacheBytes = 0 });
        float[][] expected = @case.Resample(engine, 0, 1, 2, 3, 4);

        Parallel.For(0, 40, call =>
        {
            int group = call % expected.Length;
            float[][] tokens = @case.Resample(engine, group, (group + 2) % expected.Length);
            Assert.That(Values.Bits(tokens[0]), Is.EqualTo(Values.Bits(expected[group])));
        });
    }

    [Test]
    public void A_cancelled_group_leaves_the_tokens_unchanged()
    {
        using TestModel model = new(s_config);
        using CpuEngine<TSimd, TVector> engine = Load(model);
        PatchGrid grid = new(2, 3);
        float[] features = [.. model.RandomFeatures(grid, 1), .. model.RandomFeatures(grid, 2)];
        float[] tokens = [.. Enumerable.Repeat(7f, TokenCount)];

        Assert.That(() => engine.Resample(features, new FrameGroups([grid, grid], [0, 1], [2]), tokens,
            new CancellationToken(canceled: true)), Throws.InstanceOf<OperationCanceledException>());

        Assert.That(tokens, Is.All.EqualTo(7f));
    }

    /// <summary>Also with temporal ids that are new in each call, and with groups of changing strategies.</summary>
    [Test]
    public void A_warm_call_does_not_allocate([Values(1, 3)] int threadCount)
    {
        using TestModel model = new(s_config);
        using CpuEngine<TSimd, TVector> engine = Load(model, threadCount);
        PatchGrid[] grids = [new(4, 5), new(12, 9), new(4, 5), new(1, 30), new(2, 2), new(2, 2), new(9, 9)];
        int[] counts = [2, 1, 3, 1];
        int[] ids = new int[grids.Length];
        float[] features = model.RandomFeatures(new PatchGrid(1, (int)grids.Sum(grid => grid.PatchCount)), 1);
        float[] tokens = new float[counts.Length * TokenCount];
        const int CleanCount = 20;
        List<long> rounds = [];
        // The runtime recompiles frequent methods in the background; that allocates on any thread.
        while (rounds.Count < 1000
            && (rounds.Count < CleanCount || rounds.TakeLast(CleanCount).Any(bytes => bytes > 0)))
        {
            Array.Fill(ids, rounds.Count);
            long before = GC.GetTotalAllocatedBytes(precise: true);
            for (int call = 0; call < 5; call++)
                engine.Resample(features, new FrameGroups(grids, ids, counts), tokens, default);
            rounds.Add(GC.GetTotalAllocatedBytes(precise: true) - before);
            if (rounds.Count % 50 == 49)
                Thread.Sleep(100);
        }

        Assert.That(rounds.TakeLast(CleanCount), Is.All.Zero);
    }

    /// <summary>Also with absorbed values, whose attention weights need memory for each patch that a query
    /// sees.</summary>
    [Test]
    public void Small_frames_beside_a_large_one_need_little_memory([Range(-1, 2)] int strategy)
    {
        using TestModel model = new(s_narrow with { Scopes = [Configs.None], VisionHiddenSize = 8 });
        const int SmallCount = 100;
        PatchGrid large = new(20, 20);
        long few = Workspace(1);
        long many = Workspace(1 + SmallCount);
        // The weights of the large frame, without padded lanes.
        long weights = sizeof(float) * large.PatchCount * s_narrow.QueryGrid.QueryCount * s_narrow.AttentionHeadCount;

        Assert.That(many - few, Is.LessThan(SmallCount * weights / 10));

        long Workspace(int smallCount)
        {
            using CpuEngine<TSimd, TVector> engine = Load(model, strategy: strategy);
            PatchGrid[] grids = [large, .. Enumerable.Repeat(new PatchGrid(1, 1), smallCount)];
            float[] tokens = new float[s_narrow.QueryGrid.QueryCount * s_narrow.OutputSize];
            engine.Resample(new float[grids.Sum(grid => grid.PatchCount) * 8], new FrameGroups(grids,
                [.. Enumerable.Repeat(-1, grids.Length)], [grids.Length]), tokens, default);
            return engine.WorkspaceBytes;
        }
    }

    [Test]
    public void Frames_share_the_parts_of_images_of_the_same_grid()
    {
        using TestModel model = new(s_config);
        using CpuEngine<TSimd, TVector> engine = Load(model, strategy: 0);
        PatchGrid grid = new(6, 4);
        FrameGroupCase @case = new(model, [[(grid, -1)], [(grid, 1), (grid, 2)]]);
        @case.Resample(engine, 0);
        long image = engine.Grids.OperandBytes;

        @case.Resample(engine, 1);

        Assert.That(engine.Grids.Count, Is.EqualTo(2));
        // Only the offsets are new: a double per query, query row and query column, for each head and scope.
        Assert.That(engine.Grids.OperandBytes - image, Is.InRange(1, 3 * (15 * 3 * sizeof(double) + 64)));
    }

    [Test]
    public void The_frames_of_a_group_use_the_strategies_of_least_total_cost()
    {
        Planner planner = new(s_narrow, hasKeyValueInput: true, CpuEngine<TSimd, TVector>.Costs);
        PatchGrid small = new(1, 1);
        PatchGrid large = new(20, 20);
        ScopePlan ofSmall = planner.Plan(small).Scopes[0];
        ScopePlan ofLarge = planner.Plan(large).Scopes[0];
        Assert.That((ofSmall.Keys, ofLarge.Keys),
            Is.EqualTo((ProjectionStrategy.Projected, ProjectionStrategy.Absorbed)));

        GroupPlan plan = planner.PlanGroup([small, large, small]);

        Assert.That(plan.Frames.Select(frame => frame.Scopes[0].Keys), Is.All.EqualTo(ProjectionStrategy.Absorbed));
        Assert.That(planner.PlanGroup([small, small]).Frames.Select(frame => frame.Scopes[0].Keys),
            Is.All.EqualTo(ProjectionStrategy.Projected));
    }

    /// <summary>A frame more costs what the queries see of it and its row of the input projection: no projection of all
    /// its patches, and none of the summed values.</summary>
    [Test]
    public void The_cost_of_a_narrow_scope_grows_with_what_it_sees([Values(2, 8, 64)] int frameCount)
    {
        Planner planner = new(s_narrow, hasKeyValueInput: true, CpuEngine<TSimd, TVector>.Costs,
            _ => ScopeStrategy.All[2]);
        PatchGrid grid = new(20, 20);
        double width = s_narrow.HiddenSize;
        double pairs = s_narrow.QueryGrid.QueryCount * 4;
        // Logits are computed for whole tiles of heads, weighted sums for the heads alone.
        double heads = CpuEngine<TSimd, TVector>.Costs.PaddedLanes(s_narrow.AttentionHeadCount)
            + s_narrow.AttentionHeadCount;

        GroupPlan plan = planner.PlanGroup([.. Enumerable.Repeat(grid, frameCount)]);

        double Flops(string stage) => plan.Stages.Single(cost => cost.Name == stage).Flops;
        Assert.That(Flops(StageNames.Keys) + Flops(StageNames.Values), Is.Zero);
        Assert.That(Flops(StageNames.Attention), Is.EqualTo((frameCount * pairs * 2 * heads * width)
            + (2 * s_narrow.QueryGrid.QueryCount * width * width)));
        Assert.That(Flops(StageNames.Projection), Is.EqualTo(planner.Plan(grid).Stages
            .Single(cost => cost.Name == StageNames.Projection).Flops));
    }
}
