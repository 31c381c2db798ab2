using MsResampler.Kernels.Forward;

namespace MsResampler.Kernels.Tests.Forward;

/// <summary>Gate weights of batches: they have the bits of explanations, and calls without them do no work for
/// them.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class GateWeightTests
{
    private static readonly ResamplerConfig s_config = Configs.Of(Configs.Window(2, 2), Configs.Gaussian(2, 3),
        Configs.None) with
    {
        QueryGrid = new QueryGrid(2, 2),
        PositionEmbedding = new(PositionEmbeddingType.SinCos2D, PositionEmbeddingType.None,
            FrameEmbeddingType.SinCos1D),
    };

    private static readonly PatchGrid[] s_grids = [new(3, 4), new(5, 2), new(2, 2), new(3, 4), new(1, 7)];
    private static readonly int[] s_temporalIds = [-1, 0, 3, 7, 2];
    private static readonly int[] s_frameCounts = [1, 3, 1];

    /// <summary>From the second call on, the steps are a graph that was recorded by a call with other
    /// arrays.</summary>
    [Test]
    public void Groups_have_the_gate_weights_of_their_explanations_also_from_graphs(
        [Values(Precision.Float32, Precision.TensorFloat32, Precision.Float16, Precision.BFloat16)] Precision precision,
        [Values] GateGranularity granularity)
    {
        using TestModel model = new(s_config with { Gate = s_config.Gate! with { Granularity = granularity } });
        EmulatorDevice device = new(architecture: 80);
        using GpuEngine engine = new(device, EmulatorHost.Compiler, model.Model, new() { Precision = precision });
        float[][] expected = Explained(model, engine);
        FrameGroups groups = new(s_grids, s_temporalIds, s_frameCounts);
        for (int call = 0; call < 4; call++)
        {
            float[] tokens = new float[s_frameCounts.Length * TokenLength(model)];
            float[] gate = new float[s_frameCounts.Length * GateLength(model)];
            float[] without = new float[tokens.Length];

            engine.Resample(Features(model), groups, tokens, gate, CancellationToken.None);
            engine.Resample(Features(model), groups, without, CancellationToken.None);

            Assert.That(gate.Chunk(GateLength(model)), Is.EqualTo(expected), $"call {call}");
            Assert.That(tokens, Is.EqualTo(without), $"call {call}");
        }

        Assert.That(device.GraphLaunchCount, Is.GreaterThan(4));
    }

    [Test]
    public void Several_batches_write_their_gate_weights_one_after_another(
        [Values(Precision.Float32, Precision.Float16)] Precision precision)
    {
        const int Count = 40;
        using TestModel model = new(s_config);
        EmulatorDevice device = new(architecture: 80, memoryBytes: 1 << 20);
        using GpuEngine engine = new(device, EmulatorHost.Compiler, model.Model, new() { Precision = precision });
        PatchGrid grid = new(6, 5);
        float[][] features = [.. Enumerable.Range(0, Count).Select(image => model.RandomFeatures(grid, image))];
        float[] tokens = new float[Count * TokenLength(model)];
        float[] gate = new float[Count * GateLength(model)];

        engine.Resample([.. features.SelectMany(values => values)],
            new FrameGroups([.. Enumerable.Repeat(grid, Count)]), tokens, gate, CancellationToken.None);

        Assert.That(device.Reports.Count(launch => launch.Kernel.StartsWith("FusionGate", StringComparison.Ordinal)),
            Is.GreaterThan(2), "several batches");
        Assert.That(gate.Chunk(GateLength(model)),
            Is.EqualTo(features.Select(values => engine.Explain(values, grid).Gate.ToArray())));
        Assert.That(gate.Chunk(GateLength(model)).Distinct(new BitComparer()).Count(), Is.EqualTo(Count),
            "every image has weights of its own");
    }

    [Test]
    public void A_model_without_a_gate_has_weights_of_one()
    {
        using TestModel model = new(Configs.Of(Configs.None));
        using GpuEngine engine = new(new EmulatorDevice(), EmulatorHost.Compiler, model.Model, new());
        float[] gate = new float[2 * GateLength(model)];

        engine.Resample([.. model.RandomFeatures(s_grids[0], 1), .. model.RandomFeatures(s_grids[1], 2)],
            new FrameGroups(s_grids.AsSpan(0, 2)), new float[2 * TokenLength(model)], gate, CancellationToken.None);

        Assert.That(gate, Is.All.EqualTo(1f));
        Assert.That(engine.Explain(model.RandomFeatures(s_grids[0], 1), s_grids[0]).Gate.ToArray(),
            Is.EqualTo(gate[..GateLength(model)]));
    }

    [Test]
    public void Gate_weights_are_one_more_copy_and_no_launch()
    {
        using TestModel model = new(s_config);
        ObservedDevice device = new(new EmulatorDevice { HasGraphs = false });
        using GpuEngine engine = new(device, EmulatorHost.Compiler, model.Model, new());
        float[] gate = new float[s_frameCounts.Length * GateLength(model)];
        Counts([]);

        Dictionary<string, int> without = Counts([]);
        Dictionary<string, int> with = Counts(gate);

        without["download"]++;
        Assert.That(with, Is.EquivalentTo(without));

        // The operations of a call.
        Dictionary<string, int> Counts(float[] destination)
        {
            device.Counts.Clear();
            engine.Resample(Features(model), new FrameGroups(s_grids, s_temporalIds, s_frameCounts),
                new float[s_frameCounts.Length * TokenLength(model)], destination, CancellationToken.None);
            return new(device.Counts);
        }
    }

    [Test]
    public void A_call_that_fails_or_is_cancelled_leaves_the_engine_usable()
    {
        using TestModel model = new(s_config);
        ObservedDevice device = new(new EmulatorDevice());
        using GpuEngine engine = new(device, EmulatorHost.Compiler, model.Model, new());
        float[][] expected = Explained(model, engine);
        int downloads = 0;
        device.Before = operation =>
        {
            // The tokens, the note, the gate weights.
            if (operation == "download" && ++downloads == 3)
                throw new DeviceException("the third copy fails");
        };

        Assert.That(() => Run(), Throws.TypeOf<DeviceException>().With.Message.EqualTo("the third copy fails"));
        Assert.That(() => Run(new CancellationToken(canceled: true)), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(Run().Chunk(GateLength(model)), Is.EqualTo(expected));

        float[] Run(CancellationToken cancellationToken = default)
        {
            float[] gate = new float[s_frameCounts.Length * GateLength(model)];
            engine.Resample(Features(model), new FrameGroups(s_grids, s_temporalIds, s_frameCounts),
                new float[s_frameCounts.Length * TokenLength(model)], gate, cancellationToken);
            return gate;
        }
    }

    private static int TokenLength(TestModel model)
        => model.Model.Config.QueryGrid.QueryCount * model.Model.Config.OutputSize;

    private static int GateLength(TestModel model) => model.Model.Config.QueryGrid.QueryCount
        * model.Model.Config.Scopes.Count * model.Model.Config.GateGroupCount;

    private static float[] Features(TestModel model)
        => [.. s_grids.SelectMany((grid, frame) => model.RandomFeatures(grid, frame))];

    /// <summary>The gate weights of each group, explained alone.</summary>
    private static float[][] Explained(TestModel model, GpuEngine engine)
    {
        float[][] gates = new float[s_frameCounts.Length][];
        int frame = 0;
        for (int group = 0; group < gates.Length; group++)
        {
            Range frames = frame..(frame + s_frameCounts[group]);
            float[] features = [.. Enumerable.Range(frame, s_frameCounts[group])
                .SelectMany(index => model.RandomFeatures(s_grids[index], index))];
            gates[group] = engine.Explain(features, new FrameGroups(s_grids.AsSpan(frames),
                s_temporalIds.AsSpan(frames), [s_frameCounts[group]])).Gate.ToArray();
            frame += s_frameCounts[group];
        }

        return gates;
    }

    /// <summary>Compares arrays by their values.</summary>
    private sealed class BitComparer : IEqualityComparer<float[]>
    {
        public bool Equals(float[]? x, float[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(float[] values) => values[0].GetHashCode();
    }
}
