using MsResampler.Cpu;
using MsResampler.Cpu.Simd;
using MsResampler.Planning;
using MsResampler.Tests.Parity;

namespace MsResampler.Tests.Cpu;

/// <summary>Gate weights of groups of frames: their bits are those of an explanation, in any batch and stack.</summary>
[TestFixtureSource(typeof(SimdFixtures), nameof(SimdFixtures.All))]
[NonParallelizable]
internal sealed class GateWeightTests<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
{
    private static readonly ResamplerConfig s_config = Configs.Mixed with
    {
        PositionEmbedding = new(PositionEmbeddingType.SinCos2D, PositionEmbeddingType.SinCos2D,
            FrameEmbeddingType.SinCos1D),
    };

    [Test]
    public void Groups_have_the_gate_weights_of_their_explanations_in_any_batch(
        [Values] GateGranularity granularity, [Values(1, 3)] int threadCount)
    {
        using TestModel model = new(s_config with { Gate = s_config.Gate! with { Granularity = granularity } });
        FrameGroupCase @case = new(model, FrameGroupCase.Ragged);
        using CpuEngine<TSimd, TVector> engine = Load(model, threadCount);

        foreach (int[] order in new int[][] { [0], [4], [0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [1, 0, 4, 1, 4, 3] })
            Check(@case, engine, order);
    }

    /// <summary>A large group needs a stack of its own.</summary>
    [Test]
    public void Several_stacks_write_their_gate_weights_one_after_another([Range(-1, 2)] int strategy)
    {
        using TestModel model = new(s_config);
        (PatchGrid Grid, int)[] large = [.. Enumerable.Range(0, 70).Select(frame
            => (new PatchGrid(6 + (frame % 2), 6), frame))];
        Assert.That(large.Sum(frame => frame.Grid.PatchCount), Is.GreaterThan(WorkspaceSize.StackRows));
        FrameGroupCase @case = new(model, [[(new(2, 2), -1)], large, [(new(3, 7), 0), (new(6, 2), 1)]]);
        using CpuEngine<TSimd, TVector> engine = Load(model, threadCount: 2, strategy);

        Check(@case, engine, 0, 2, 1, 0, 1, 2);
    }

    [Test]
    public void A_model_without_a_gate_has_weights_of_one()
    {
        using TestModel model = new(Configs.Of(Configs.None));
        FrameGroupCase @case = new(model, FrameGroupCase.Ragged);
        using CpuEngine<TSimd, TVector> engine = Load(model, threadCount: 2);

        Check(@case, engine, 0, 1, 2, 3, 4);

        Assert.That(@case.ResampleWithGate(engine, 0, 1, 2).Gate.SelectMany(values => values),
            Is.All.EqualTo(1f));
    }

    [Test]
    public void A_warm_call_does_not_allocate([Values(1, 3)] int threadCount)
    {
        using TestModel model = new(s_config);
        using CpuEngine<TSimd, TVector> engine = Load(model, threadCount);
        PatchGrid[] grids = [new(4, 5), new(12, 9), new(4, 5), new(1, 30), new(2, 2)];
        float[] features = model.RandomFeatures(new PatchGrid(1, (int)grids.Sum(grid => grid.PatchCount)), 1);
        float[] tokens = new float[grids.Length * s_config.QueryGrid.QueryCount * s_config.OutputSize];
        float[] gate = new float[grids.Length * s_config.QueryGrid.QueryCount * 9];
        const int CleanCount = 20;
        List<long> rounds = [];
        // The runtime recompiles frequent methods in the background; that allocates on any thread.
        while (rounds.Count < 1000
            && (rounds.Count < CleanCount || rounds.TakeLast(CleanCount).Any(bytes => bytes > 0)))
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            for (int call = 0; call < 5; call++)
                engine.Resample(features, new FrameGroups(grids), tokens, gate, CancellationToken.None);
            rounds.Add(GC.GetTotalAllocatedBytes(precise: true) - before);
            if (rounds.Count % 50 == 49)
                Thread.Sleep(100);
        }

        Assert.That(rounds.TakeLast(CleanCount), Is.All.Zero);
    }

    private static CpuEngine<TSimd, TVector> Load(TestModel model, int threadCount, int strategy = -1)
        => new("test", model.Model, new ResamplerOptions { ThreadCount = threadCount, ProcessorCount = threadCount },
            strategy < 0 ? null : _ => ScopeStrategy.All[strategy]);

    private static void Check(FrameGroupCase @case, CpuEngine<TSimd, TVector> engine, params int[] order)
    {
        (float[][] tokens, float[][] gate) = @case.ResampleWithGate(engine, order);
        float[][] expected = @case.Resample(engine, order);
        for (int index = 0; index < order.Length; index++)
        {
            string place = $"group {order[index]} at {index} of {string.Join(" ", order)}";
            Assert.That(Values.Bits(tokens[index]), Is.EqualTo(Values.Bits(expected[index])), place);
            Assert.That(Values.Bits(gate[index]),
                Is.EqualTo(Values.Bits(@case.Explain(engine, order[index]).Gate.ToArray())), place);
        }
    }
}
