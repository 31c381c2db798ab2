using MsResampler.Kernels.Forward;
using MsResampler.Kernels.Ptx;
using MsResampler.Planning;

namespace MsResampler.Kernels.Tests.Forward;

/// <summary>The engine around the kernels: memory, failures, cancellation and many threads.</summary>
public class GpuEngineTests
{
    private static readonly PatchGrid s_grid = new(3, 4);
    private static readonly PatchGrid s_otherGrid = new(5, 2);

    private TestModel _model = null!;
    private float[] _features = null!;
    private float[] _expected = null!;

    [OneTimeSetUp]
    public void Create()
    {
        _model = new TestModel(Configs.Of(Configs.Window(2, 2), Configs.None) with
        {
            PositionEmbedding = new(PositionEmbeddingType.SinCos2D, PositionEmbeddingType.SinCos2D),
        });
        _features = _model.RandomFeatures(s_grid, 1);
        using GpuEngine engine = Engine(new EmulatorDevice());
        _expected = Resample(engine);
    }

    [OneTimeTearDown]
    public void Dispose() => _model.Dispose();

    [Test]
    public void Disposing_frees_all_memory_and_later_calls_are_rejected()
    {
        EmulatorDevice device = new();
        GpuEngine engine = Engine(device);
        Resample(engine);
        Assert.That(device.AllocatedBytes, Is.GreaterThan(0));

        engine.Dispose();
        engine.Dispose();

        using (Assert.EnterMultipleScope())
        {
            Assert.That(device.AllocatedBytes, Is.Zero);
            Assert.That(device.IsDisposed);
            Assert.That(() => Resample(engine), Throws.TypeOf<ObjectDisposedException>());
        }
    }

    [Test]
    public void Kernels_that_cannot_be_stored_cause_a_warning()
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.File("a file"), "");
        KernelCompiler useless = new(new KernelCache(folder.File("a file")), PtxVersion.Default);
        KernelCompiler useful = new(new KernelCache(folder.Path), PtxVersion.Default);
        using GpuEngine warning = new(new EmulatorDevice(), useless, _model.Model, new ResamplerOptions());
        using GpuEngine silent = new(new EmulatorDevice(), useful, _model.Model, new ResamplerOptions());
        Resample(warning);
        Resample(silent);
        Assert.That(warning.Warnings.Single(), Does.Contain("not stored").And.Contain(folder.File("a file")));
        Assert.That(silent.Warnings, Is.Empty);
    }

    [Test]
    public void A_failing_load_frees_all_memory()
    {
        for (int operation = 1; ; operation++)
        {
            EmulatorDevice inner = new();
            ObservedDevice device = new(inner);
            device.FailAt(operation);
            try
            {
                Engine(device).Dispose();
                Assert.That(operation, Is.GreaterThan(20), "loading has more operations than this");
                return;
            }
            catch (DeviceException)
            {
                Assert.That((inner.AllocatedBytes, inner.IsDisposed), Is.EqualTo((0L, true)), $"operation {operation}");
            }
        }
    }

    [Test]
    public void A_failing_call_leaves_the_engine_usable_and_frees_memory()
    {
        for (int operation = 1; ; operation++)
        {
            EmulatorDevice inner = new();
            ObservedDevice device = new(inner);
            using (GpuEngine engine = Engine(device))
            {
                device.FailAt(operation);
                try
                {
                    Resample(engine);
                    Assert.That(operation, Is.GreaterThan(10), "a call has more operations than this");
                    return;
                }
                catch (DeviceException)
                {
                    Assert.That(Resample(engine), Is.EqualTo(_expected), $"after operation {operation} failed");
                }
            }

            Assert.That(inner.AllocatedBytes, Is.Zero, $"operation {operation}");
        }
    }

    [Test]
    public void An_out_of_memory_error_states_the_sizes()
    {
        EmulatorDevice device = new(memoryBytes: 1 << 14);

        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => Engine(device), Throws.TypeOf<DeviceException>());
            Assert.That(device.IsDisposed);
        }
    }

    [Test]
    public void A_non_finite_feature_is_rejected_as_on_the_CPU([Values(float.NaN,
        float.PositiveInfinity, float.NegativeInfinity)] float value)
    {
        ObservedDevice device = new(new EmulatorDevice());
        using GpuEngine engine = Engine(device);
        float[] features = [.. _features, .. _model.RandomFeatures(s_otherGrid, 2)];
        features[_features.Length + 17] = value;
        features[^1] = float.NaN;
        float[] tokens = new float[2 * _expected.Length];
        engine.Resample(new float[features.Length], [s_grid, s_otherGrid], tokens, CancellationToken.None);
        Array.Clear(tokens);
        device.Counts["launch"] = 0;
        string message = Assert.Throws<InvalidFeaturesException>(() =>
            _model.Engine.Resample(features, [s_grid, s_otherGrid], tokens))!.Message;

        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => engine.Resample(features, [s_grid, s_otherGrid], tokens, CancellationToken.None),
                Throws.TypeOf<InvalidFeaturesException>().With.Message.EqualTo(message));
            Assert.That(() => engine.Explain(features.AsSpan(_features.Length), s_otherGrid),
                Throws.TypeOf<InvalidFeaturesException>());
            Assert.That(device.Counts["launch"], Is.Zero, "nothing is computed");
            Assert.That(tokens, Is.All.Zero);
            Assert.That(Resample(engine), Is.EqualTo(_expected));
        }
    }

    [Test]
    public void A_non_finite_feature_of_the_last_batch_is_found_before_the_first_is_computed()
    {
        ObservedDevice device = new(new EmulatorDevice(memoryBytes: 400 << 10));
        using GpuEngine engine = Engine(device);
        PatchGrid[] grids = [.. Enumerable.Repeat(s_grid, 12)];
        float[] features = [.. Enumerable.Repeat(_features, 12).SelectMany(values => values)];
        float[] tokens = new float[12 * _expected.Length];
        engine.Resample(features, grids, tokens, CancellationToken.None);
        Assert.That(tokens, Is.EqualTo(Enumerable.Repeat(_expected, 12).SelectMany(values => values)));
        Assert.That(device.Counts["download"], Is.GreaterThan(2), "several batches");
        features[^1] = float.NaN;
        Array.Clear(tokens);
        device.Counts["launch"] = 0;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => engine.Resample(features, grids, tokens, CancellationToken.None),
                Throws.TypeOf<InvalidFeaturesException>().With.Message.Contains("image 11"));
            Assert.That(device.Counts["launch"], Is.Zero);
            Assert.That(tokens, Is.All.Zero);
        }
    }

    [Test]
    public void Cancelling_stops_between_launches_and_later_calls_work()
    {
        // A device without graphs, because a graph is launched as a whole.
        ObservedDevice device = new(new EmulatorDevice { HasGraphs = false });
        using GpuEngine engine = Engine(device);
        int perCall = LaunchesOfACall(device, engine);
        using CancellationTokenSource source = new();
        device.Before = operation =>
        {
            if (operation == "launch")
                source.Cancel();
        };
        int launches = device.Counts["launch"];

        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => Resample(engine, source.Token), Throws.InstanceOf<OperationCanceledException>());
            Assert.That(device.Counts["launch"] - launches, Is.InRange(1, perCall / 2));
            device.Before = _ => { };
            Assert.That(Resample(engine), Is.EqualTo(_expected));
        }
    }

    [Test]
    public void Cancelling_an_explanation_stops_between_maps_and_later_calls_work()
    {
        ObservedDevice device = new(new EmulatorDevice { HasGraphs = false });
        using GpuEngine engine = Engine(device);
        int perCall = LaunchesOfACall(device, engine);
        int launches = device.Counts["launch"];
        using CancellationTokenSource source = new();
        device.Before = operation =>
        {
            // The first map follows the launches of the tokens.
            if (operation == "launch" && device.Counts["launch"] - launches > perCall)
                source.Cancel();
        };

        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => engine.Explain(_features, s_grid, source.Token),
                Throws.InstanceOf<OperationCanceledException>());
            Assert.That(device.Counts["launch"] - launches, Is.EqualTo(perCall + 1));
            device.Before = _ => { };
            Assert.That(engine.Explain(_features, s_grid).Tokens.ToArray(), Is.EqualTo(_expected));
            Assert.That(Resample(engine), Is.EqualTo(_expected));
        }
    }

    [Test]
    public void Cancelling_while_features_are_copied_starts_nothing_and_later_calls_work()
    {
        ObservedDevice device = new(new EmulatorDevice());
        using GpuEngine engine = Engine(device);
        Resample(engine);
        using CancellationTokenSource source = new();
        device.Before = operation =>
        {
            if (operation == "upload")
                source.Cancel();
        };
        device.Counts["launch"] = 0;
        Assert.That(() => Resample(engine, source.Token), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(device.Counts["launch"], Is.Zero);
        device.Before = _ => { };
        Assert.That(Resample(engine), Is.EqualTo(_expected));
    }

    [Test]
    public void A_call_for_known_grids_copies_features_tokens_and_a_flag()
    {
        ObservedDevice device = new(new EmulatorDevice());
        using GpuEngine engine = Engine(device);
        Resample(engine);
        (int allocations, int uploads, int downloads) = (device.Counts["allocate"], device.Counts["upload"],
            device.Counts["download"]);

        Resample(engine);

        Assert.That((device.Counts["allocate"] - allocations, device.Counts["upload"] - uploads,
            device.Counts["download"] - downloads), Is.EqualTo((0, 1, 2)));
    }

    [Test]
    public void Many_threads_get_the_same_tokens()
    {
        EmulatorDevice device = new();
        using (GpuEngine engine = Engine(device))
        {
            float[][] results = new float[12][];
            Parallel.For(0, results.Length, new ParallelOptions { MaxDegreeOfParallelism = 6 }, call =>
            {
                // Calls for other grids at the same time evict entries of the shared grid cache.
                engine.Explain(_model.RandomFeatures(new PatchGrid(1 + call, 2), call), new PatchGrid(1 + call, 2));
                results[call] = Resample(engine);
            });
            Assert.That(results, Is.All.EqualTo(_expected));
        }

        Assert.That(device.AllocatedBytes, Is.Zero);
    }

    [Test]
    public void Plans_do_not_absorb_projections()
    {
        using GpuEngine engine = Engine(new EmulatorDevice());

        Assert.That(engine.Plan(new PatchGrid(40, 40)).Scopes.Select(scope => (scope.Keys, scope.Values)),
            Is.All.EqualTo((ProjectionStrategy.Projected, ProjectionStrategy.Projected)));
    }

    private GpuEngine Engine(IDevice device)
        => new(device, EmulatorHost.Compiler, _model.Model, new ResamplerOptions());

    /// <summary>The launches of a call that is not the first.</summary>
    private int LaunchesOfACall(ObservedDevice device, GpuEngine engine)
    {
        Resample(engine);
        int launches = device.Counts["launch"];
        Resample(engine);
        return device.Counts["launch"] - launches;
    }

    private float[] Resample(GpuEngine engine, CancellationToken cancellationToken = default)
    {
        float[] tokens = new float[_model.Model.Config.QueryGrid.QueryCount * _model.Model.Config.OutputSize];
        engine.Resample(_features, [s_grid], tokens, cancellationToken);
        return tokens;
    }
}
