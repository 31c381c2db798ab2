using MsResampler.Cpu;
using MsResampler.Cpu.Simd;
using MsResampler.Planning;

namespace MsResampler.Tests.Cpu;

/// <summary>The allocations of calls and the memory that they hold.</summary>
[TestFixtureSource(typeof(SimdFixtures), nameof(SimdFixtures.All))]
[NonParallelizable]
internal sealed unsafe class MemoryTests<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
{
    private static readonly ResamplerConfig s_config = Configs.Mixed;

    private static readonly PatchGrid[] s_grids =
        [new(4, 5), new(1, 1), new(12, 9), new(4, 5), new(1, 30), new(48, 47)];

    private static CpuEngine<TSimd, TVector> Load(TestModel model, int threadCount)
        => new("test", model.Model, new ResamplerOptions
        {
            ThreadCount = threadCount,
            ProcessorCount = threadCount,
        }, choose: null);

    [TestCase(1, false)]
    [TestCase(1, true)]
    [TestCase(2, true)]
    [TestCase(3, false)]
    [TestCase(5, true)]
    public void A_warm_call_does_not_allocate_on_any_thread(int threadCount, bool isAnchored)
    {
        using TestModel model = new(s_config with
        {
            PositionEmbedding = new(PositionEmbeddingType.SinCos2D,
                isAnchored ? PositionEmbeddingType.SinCos2D : PositionEmbeddingType.None),
        });
        using CpuEngine<TSimd, TVector> engine = Load(model, threadCount);
        const int RoundCount = 40;
        float[][] features = [.. s_grids.Select((grid, image) => model.RandomFeatures(grid, image))];
        float[] all = [.. features.SelectMany(values => values)];
        int tokenCount = s_config.QueryGrid.QueryCount * s_config.OutputSize;
        float[] tokens = new float[s_grids.Length * tokenCount];
        // After thirty calls of a method the runtime recompiles it in the background, in more than one step. That
        // allocates on any thread, so the test waits for it; afterwards no round may allocate.
        for (int wait = 0; wait < 3; wait++)
        {
            Rounds(RoundCount);
            Thread.Sleep(250);
        }

        AllocationCount[] counts = Rounds(RoundCount);

        Assert.That(counts[0].Bytes, Has.None.Negative, "every thread was measured");
        Assert.That(counts.Skip(1).Zip(counts, (after, before) =>
            after.Bytes.Zip(before.Bytes, (later, earlier) => later - earlier).Sum()), Is.All.Zero);

        AllocationCount[] Rounds(int count)
        {
            AllocationCount[] counts = [.. Enumerable.Range(0, count).Select(_ => new AllocationCount(threadCount))];
            foreach (AllocationCount round in counts)
            {
                for (int image = 0; image < s_grids.Length; image++)
                    engine.Resample(features[image], s_grids.AsSpan(image, 1), tokens.AsSpan(0, tokenCount), default);
                engine.Resample(all, s_grids, tokens, default);
                round.Read(engine.Workers);
            }

            return counts;
        }
    }

    /// <summary>The workspace of a group is large enough for all its images in any order.</summary>
    [Test]
    public void A_workspace_is_large_enough_for_every_image_of_its_group([Range(0, 2)] int strategy)
    {
        using TestModel model = new(s_config);
        using CpuEngine<TSimd, TVector> engine = new("test", model.Model, new ResamplerOptions { ThreadCount = 1 },
            _ => ScopeStrategy.All[strategy]);
        ModelOperands<TSimd, TVector> operands = new(model.Model);
        GridOperands small = engine.Grids.Acquire(new PatchGrid(4, 5));
        GridOperands large = engine.Grids.Acquire(new PatchGrid(20, 21));
        List<long> sizes = [];
        foreach (GridOperands[] group in new GridOperands[][] { [large, small, small], [small, large, small],
            [small, small, large] })
        {
            ForwardPass<TSimd, TVector> pass = new(operands, 1, new WorkspaceSize());
            Prepare(pass, small);
            long before = pass.WorkspaceBytes;
            Prepare(pass, group);
            long grown = pass.WorkspaceBytes;
            long rows = group.Sum(grid => (long)grid.PatchCount);
            long branches = group.Length * s_config.QueryGrid.QueryCount * (long)RowStride(3 * s_config.HiddenSize);
            // Z, Z with positions, and two rows of branches per query.
            Assert.That(grown, Is.GreaterThanOrEqualTo(
                sizeof(float) * ((2 * rows * RowStride(s_config.HiddenSize)) + (2 * branches))));
            Assert.That(grown, Is.GreaterThan(before));
            Prepare(pass, small);
            Assert.That(pass.WorkspaceBytes, Is.EqualTo(grown), "it does not shrink");
            sizes.Add(grown);
        }

        Assert.That(sizes, Is.All.EqualTo(sizes[0]));
        engine.Grids.Release(small);
        engine.Grids.Release(large);
    }

    private static void Prepare(ForwardPass<TSimd, TVector> pass, params GridOperands[] images)
    {
        pass.Stack.Clear();
        foreach (GridOperands image in images)
            pass.Stack.AddImage(image);
        pass.Prepare(null, null, null);
    }

    /// <summary>Only the last phase writes tokens. It is completed once it has started, so that a cancelled image has
    /// all of its tokens or none.</summary>
    [Test]
    public void Only_the_phase_that_writes_tokens_is_not_cancellable()
    {
        using TestModel model = new(s_config);
        ForwardPass<TSimd, TVector> pass = new(new ModelOperands<TSimd, TVector>(model.Model), 1, new WorkspaceSize());

        Assert.That(Enumerable.Range(0, pass.PhaseCount).Where(phase => !pass.IsCancellable(phase)),
            Is.EqualTo(new[] { pass.PhaseCount - 1 }));
    }

    [Test]
    public void Workspaces_that_are_unused_for_a_minute_are_released()
    {
        using TestModel model = new(s_config);
        ModelOperands<TSimd, TVector> operands = new(model.Model);
        AlignedBufferTests.SetClock clock = new();
        int made = 0;
        PassStack<TSimd, TVector> stack = new(() =>
        {
            made++;
            return new ForwardPass<TSimd, TVector>(operands, 1, new WorkspaceSize());
        }, clock);
        ForwardPass<TSimd, TVector>[] passes = [.. Enumerable.Range(0, 3).Select(_ => stack.Rent())];
        foreach (ForwardPass<TSimd, TVector> pass in passes)
            stack.Return(pass);

        // One call at a time needs one workspace; the other two are released, one per call.
        for (int second = 0; second < 62; second++)
        {
            clock.Now += TimeSpan.FromSeconds(1);
            ForwardPass<TSimd, TVector> pass = stack.Rent();
            Assert.That(pass, Is.SameAs(passes[2]));
            stack.Return(pass);
            if (second < 60)
                Assert.That(stack.Count, Is.EqualTo(3));
        }

        Assert.That((made, stack.Count), Is.EqualTo((3, 1)));
    }

    [Test]
    public void Changing_workspace_sizes_do_not_change_the_bits([Values] bool isLargestFirst)
    {
        using TestModel model = new(s_config);
        int tokenCount = s_config.QueryGrid.QueryCount * s_config.OutputSize;
        float[][] alone = [.. s_grids.Select((grid, image) =>
        {
            using CpuEngine<TSimd, TVector> fresh = Load(model, threadCount: 1);
            float[] tokens = new float[tokenCount];
            fresh.Resample(model.RandomFeatures(grid, image), [grid], tokens, default);
            return tokens;
        })];
        int[] order = [.. Enumerable.Range(0, s_grids.Length).OrderBy(image => s_grids[image].PatchCount)];
        if (isLargestFirst)
            Array.Reverse(order);
        using CpuEngine<TSimd, TVector> engine = Load(model, threadCount: 3);
        for (int count = 1; count <= order.Length; count++)
        {
            foreach (int first in new[] { 0, order.Length - count })
            {
                int[] images = order[first..(first + count)];
                float[] tokens = new float[count * tokenCount];
                engine.Resample([.. images.SelectMany(image => model.RandomFeatures(s_grids[image], image))],
                    [.. images.Select(image => s_grids[image])], tokens, default);
                for (int index = 0; index < count; index++)
                    Assert.That(Values.Bits(tokens.AsSpan(index * tokenCount, tokenCount)),
                        Is.EqualTo(Values.Bits(alone[images[index]])), $"{s_grids[images[index]]} in {count}");
            }
        }
    }

    [Test]
    public void A_workspace_is_at_most_1_5_times_its_largest_layer(
        [Values(1, 6, 12)] int querySide, [Values(1, 3)] int scopeCount, [Values] bool areKeysPositioned,
        [Values] bool isShared)
    {
        ScopeConfig[] scopes = [Configs.Window(3, 3), Configs.Gaussian(2, 2, new AxisPair(7, 7)), Configs.None];
        ResamplerConfig config = Configs.Of(scopes[..scopeCount]) with
        {
            HiddenSize = 128,
            AttentionHeadCount = 4,
            QueryGrid = new QueryGrid(querySide, querySide),
            ShareKeyValues = isShared,
            PositionEmbedding = new(
                areKeysPositioned ? PositionEmbeddingType.SinCos2D : PositionEmbeddingType.None,
                PositionEmbeddingType.None),
        };
        using TestModel model = new(config);
        foreach (PatchGrid grid in new PatchGrid[] { new(1, 1), new(12, 12), new(30, 7), new(48, 48) })
        {
            using CpuEngine<TSimd, TVector> engine = Load(model, threadCount: 2);
            float[] tokens = new float[config.QueryGrid.QueryCount * config.OutputSize];
            engine.Resample(model.RandomFeatures(grid, 1), [grid], tokens, default);

            // At most 14 buffers, each followed by the width of a panel and rounded up to a whole cache line.
            int ends = sizeof(float) * 14 * (MicroKernel<TSimd, TVector>.PanelWidth + 16);
            Assert.That(engine.WorkspaceBytes,
                Is.LessThanOrEqualTo((1.5 * LargestLayerBytes(engine.Plan(grid), config)) + ends), $"{grid}");
        }
    }

    [Test]
    public void A_workspace_has_the_size_of_the_largest_group()
    {
        using TestModel model = new(s_config);
        PatchGrid large = s_grids[^1];
        using CpuEngine<TSimd, TVector> one = Load(model, threadCount: 2);
        using CpuEngine<TSimd, TVector> many = Load(model, threadCount: 2);
        float[] features = model.RandomFeatures(large, 1);
        float[] tokens = new float[20 * s_config.QueryGrid.QueryCount * s_config.OutputSize];

        one.Resample(features, [large], tokens.AsSpan(0, tokens.Length / 20), default);
        many.Resample([.. Enumerable.Repeat(features, 20).SelectMany(values => values)],
            [.. Enumerable.Repeat(large, 20)], tokens, default);

        Assert.That(many.WorkspaceBytes, Is.EqualTo(one.WorkspaceBytes));
    }

    /// <summary>The reads and writes of the larger of attention and branch outputs, counted from the plan, with the
    /// row strides of the engine and the scratch memory of two threads.</summary>
    private static double LargestLayerBytes(ExecutionPlan plan, ResamplerConfig config)
    {
        long patches = plan.Grid.PatchCount;
        long queries = config.QueryGrid.QueryCount;
        int owners = config.ShareKeyValues ? 1 : plan.Scopes.Count;
        long features = patches * RowStride(config.HiddenSize)
            * (config.PositionEmbedding.Keys == PositionEmbeddingType.None ? 1 : 2);
        long projected = plan.Scopes.Take(owners).Sum(scope =>
            (scope.Keys == ProjectionStrategy.Projected ? 1 : 0) +
            (scope.Values == ProjectionStrategy.Projected ? 1 : 0))
            * patches * config.HiddenSize;
        long lanes = CpuEngine<TSimd, TVector>.Costs.PaddedLanes(config.AttentionHeadCount);
        long weights = plan.Scopes.Where(scope => scope.Values == ProjectionStrategy.Absorbed)
            .Sum(scope => queries * MaxKeyCount(scope) * lanes);
        long branches = queries * RowStride(plan.Scopes.Count * config.HiddenSize);
        long scratch = 2 * Scratch(plan, config, lanes);
        return sizeof(float) * Math.Max((double)(features + projected + weights + branches + scratch), 2.0 * branches);
    }

    private static long Scratch(ExecutionPlan plan, ResamplerConfig config, long lanes) => plan.Scopes.Max(scope =>
        scope.Keys == ProjectionStrategy.Projected
            ? ScopeAttentionTiled<TSimd, TVector>.ScratchCount(scope.Tiles.Max(tile => tile.LaneCount), config.HeadSize)
            : (MaxKeyCount(scope) * (lanes + 4)) + config.HeadSize + (scope.Values == ProjectionStrategy.Absorbed
                ? AbsorbedValues<TSimd, TVector>.SumCount : 0))
        + FusionGate<TSimd, TVector>.ScratchCount(config);

    private static long MaxKeyCount(ScopePlan scope)
        => scope.Windows.Rows.Max(range => range.Count) * (long)scope.Windows.Columns.Max(range => range.Count);

    private static int RowStride(int width) => ForwardPass<TSimd, TVector>.RowStrideOf(width);

    /// <summary>Reads the allocation counter of each thread of a pool: there are as many tasks as threads, and each
    /// waits until all have started, so that every thread runs one.</summary>
    private sealed class AllocationCount(int threadCount) : IPhasedWork
    {
        private int _begun;

        public long[] Bytes { get; } = [.. Enumerable.Repeat(-1L, threadCount)];

        public int PhaseCount => 1;

        public int TaskCount(int phase) => threadCount;

        public void Read(WorkerPool pool) => pool.Run(this, CancellationToken.None);

        public void Execute(int phase, int task, int worker)
        {
            Bytes[worker] = GC.GetAllocatedBytesForCurrentThread();
            Interlocked.Increment(ref _begun);
            while (Volatile.Read(ref _begun) < threadCount)
                Thread.Sleep(0);
        }
    }
}
