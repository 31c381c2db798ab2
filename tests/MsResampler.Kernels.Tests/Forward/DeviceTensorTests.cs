using MsResampler.Kernels.Forward;

namespace MsResampler.Kernels.Tests.Forward;

/// <summary>Calls with features and tokens on the device.</summary>
[Parallelizable(ParallelScope.All)]
public class DeviceTensorTests
{
    private const DeviceElementType Single = DeviceElementType.Float32;
    private const DeviceElementType Half = DeviceElementType.Float16;

    private static readonly PatchGrid[] s_grids = [new(5, 4), new(1, 3)];

    private static ResamplerConfig Config(int channelCount = 13, int outputSize = 11)
        => Configs.Of(Configs.Window(2, 2), Configs.None) with
        {
            VisionHiddenSize = channelCount,
            OutputSize = outputSize,
        };

    /// <summary>The element types that a model accepts and returns.</summary>
    private static DeviceElementType[] TypesOf(Precision precision) => precision switch
    {
        Precision.Float16 => [DeviceElementType.Float32, DeviceElementType.Float16],
        Precision.BFloat16 => [DeviceElementType.Float32, DeviceElementType.BFloat16],
        _ => [DeviceElementType.Float32],
    };

    [Test]
    public void Tokens_have_the_same_bits_as_those_of_a_call_for_the_host(
        [Values(Precision.Float32, Precision.TensorFloat32, Precision.Float16, Precision.BFloat16)] Precision precision,
        [Values(13, 16)] int channelCount, [Values(1, 11, 16)] int outputSize)
        => CheckBits(precision, channelCount, outputSize, isHopper: false);

    [TestCase(Precision.Float16, 13, 11)]
    [TestCase(Precision.BFloat16, 16, 16)]
    public void On_Hopper_tokens_have_the_same_bits_as_those_of_a_call_for_the_host(Precision precision,
        int channelCount, int outputSize) => CheckBits(precision, channelCount, outputSize, isHopper: true);

    private static void CheckBits(Precision precision, int channelCount, int outputSize, bool isHopper)
    {
        using TestModel model = new(Config(channelCount, outputSize));
        EmulatorDevice device = EmulatorDevice.WithTensorCores(isHopper);
        using GpuEngine engine = Engine(model, device, precision);
        foreach (DeviceElementType featureType in TypesOf(precision))
        {
            foreach (DeviceElementType tokenType in TypesOf(precision))
            {
                // Launched directly, then recorded, then replayed, each time with different addresses.
                for (int round = 0; round < 3; round++)
                {
                    float[] features = DeviceArray.Round(featureType, Features(model, s_grids, round));
                    byte[] expected = DeviceArray.Encode(tokenType, OnHost(engine, model, features, s_grids));
                    Assert.That(OnDevice(engine, device, model, featureType, features, s_grids, tokenType),
                        Is.EqualTo(expected), $"{featureType} to {tokenType}, round {round}");
                }
            }
        }

        Assert.That(device.GraphLaunchCount, Is.GreaterThanOrEqualTo(2 * TypesOf(precision).Length));
    }

    [Test]
    public void A_model_without_kv_proj_or_gate_accepts_device_tensors(
        [Values(Precision.Float32, Precision.Float16)] Precision precision)
    {
        using TestModel model = new(Configs.Of(Configs.None) with
        {
            VisionHiddenSize = 27,
            HiddenSize = 27,
            PositionEmbedding = new(PositionEmbeddingType.None, PositionEmbeddingType.None),
        }, new() { OmitKeyValueInput = true });
        EmulatorDevice device = new(architecture: 80);
        using GpuEngine engine = Engine(model, device, precision);
        float[] features = Features(model, s_grids, 1);
        DeviceElementType type = TypesOf(precision)[^1];
        features = DeviceArray.Round(type, features);
        byte[] expected = DeviceArray.Encode(type, OnHost(engine, model, features, s_grids));
        Assert.That(OnDevice(engine, device, model, type, features, s_grids, type), Is.EqualTo(expected));
    }

    [Test]
    public void A_batch_larger_than_a_workspace_is_computed_in_groups(
        [Values(Precision.Float32, Precision.Float16)] Precision precision)
    {
        using TestModel model = new(Config());
        PatchGrid[] grids = [new(5, 4), new(5, 4), new(5, 4), new(1, 3), new(7, 2), new(5, 4)];
        float[] features = Features(model, grids, 3);
        float[] expected;
        using (GpuEngine large = Engine(model, new EmulatorDevice(architecture: 80), precision))
            expected = OnHost(large, model, features, grids);
        EmulatorDevice inner = new(memoryBytes: 400 << 10, architecture: 80);
        ObservedDevice device = new(inner);
        using GpuEngine engine = Engine(model, device, precision);
        Assert.That(OnDevice(engine, inner, model, Single, features, grids, Single),
            Is.EqualTo(DeviceArray.Encode(Single, expected)));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(device.Counts["wait"], Is.InRange(2, 5), "groups");
            Assert.That(device.Counts["release"], Is.EqualTo(1));
        }
    }

    [TestCase(16, "copy")]
    [TestCase(11, "launch")]
    public void A_call_for_known_grids_copies_nothing_through_the_host(int outputSize, string copy)
    {
        using TestModel model = new(Config(outputSize: outputSize));
        EmulatorDevice inner = new(architecture: 80);
        ObservedDevice device = new(inner);
        using GpuEngine engine = Engine(model, device, Precision.Float16);
        using DeviceArray features = new(inner, Half, Features(model, s_grids, 1));
        using DeviceArray tokens = new(inner, Half, TokenCount(model, s_grids));
        for (int call = 0; call < 2; call++)
            engine.Resample(features.Tensor, new FrameGroups(s_grids), tokens.Tensor, 0);
        List<string> operations = [];
        device.Before = operations.Add;
        engine.Resample(features.Tensor, new FrameGroups(s_grids), tokens.Tensor, 0);
        Assert.That(operations, Is.EqualTo(new[] { "wait", "launch", "replay", copy, "release" }));
    }

    /// <summary>Other temporal ids are one copy of indices, and the graph stays.</summary>
    [Test]
    public void Groups_have_the_bits_of_the_host_and_keep_their_graph_with_other_ids(
        [Values(Precision.Float32, Precision.Float16)] Precision precision)
    {
        ResamplerConfig config = Config();
        using TestModel model = new(config with
        {
            PositionEmbedding = config.PositionEmbedding with { Frames = FrameEmbeddingType.SinCos1D },
        });
        EmulatorDevice inner = new(architecture: 80);
        ObservedDevice device = new(inner);
        using GpuEngine engine = Engine(model, device, precision);
        PatchGrid[] grids = [s_grids[0], s_grids[0], s_grids[1], s_grids[1]];
        int[] frameCounts = [3, 1];
        int[][] ids = [[0, 1, 2, -1], [5, 1, -1, 0]];
        float[] values = Features(model, grids, 1);
        using DeviceArray features = new(inner, DeviceElementType.Float32, values);
        using DeviceArray tokens = new(inner, DeviceElementType.Float32, TokenCount(model, grids) / 2);
        byte[][] expected = new byte[2][];
        foreach (int call in new[] { 0, 1 })
        {
            float[] onHost = new float[TokenCount(model, grids) / 2];
            engine.Resample(values, new FrameGroups(grids, ids[call], frameCounts), onHost, CancellationToken.None);
            expected[call] = DeviceArray.Encode(DeviceElementType.Float32, onHost);
        }

        List<string> operations = [];
        foreach (int call in new[] { 0, 0, 1, 0, 0, 1 })
        {
            operations.Clear();
            device.Before = operations.Add;
            engine.Resample(features.Tensor, new FrameGroups(grids, ids[call], frameCounts), tokens.Tensor, 0);
            device.Before = _ => { };
            Assert.That(tokens.Read(inner), Is.EqualTo(expected[call]), $"ids {call}");
        }

        Assert.That(operations, Does.Contain("replay"));
        Assert.That(operations.Count(operation => operation == "upload"), Is.EqualTo(1));
        Assert.That(expected[0], Is.Not.EqualTo(expected[1]));
    }

    /// <summary>Kernels count with 32 bits.</summary>
    [Test]
    public void A_group_that_is_too_large_is_named_and_not_computed()
    {
        using TestModel model = new(Config());
        EmulatorDevice device = new(architecture: 80);
        using GpuEngine engine = Engine(model, device, Precision.Float32);
        using DeviceArray features = new(device, Single, Features(model, s_grids, 1));
        using DeviceArray tokens = new(device, Single, TokenCount(model, s_grids));
        PatchGrid large = new(30_000, 30_000);
        PatchGrid[] grids = [s_grids[0], large, large];
        int launches = device.Reports.Count;
        const string Limits = "(2 frames, 1800000000 patches): expected at most 1073741823 patches";

        Assert.That(() => engine.Resample(features.Tensor, new FrameGroups([large, large], [0, 1], [2]),
            tokens.Tensor, 0), Throws.TypeOf<DeviceException>().With.Message.StartsWith($"group 0 {Limits}"));
        Assert.That(device.Reports, Has.Count.EqualTo(launches));
        Assert.That(() => engine.Resample(features.Tensor, new FrameGroups(grids, [0, 1, 2], [1, 2]), tokens.Tensor, 0),
            Throws.TypeOf<DeviceException>().With.Message.StartsWith($"group 1 {Limits}"));
        Assert.That(() => OnDevice(engine, device, model, Single, Features(model, s_grids, 1), s_grids, Single),
            Throws.Nothing, "the engine stays usable");
    }

    [Test]
    public void A_failing_call_leaves_the_engine_usable_and_frees_memory(
        [Values(Precision.Float32, Precision.Float16)] Precision precision)
    {
        using TestModel model = new(Config());
        PatchGrid[] first = [new(3, 3)];
        float[] features = Features(model, s_grids, 1);
        byte[] expected = [];
        for (int operation = 0; ; operation++)
        {
            EmulatorDevice inner = new(architecture: 80);
            ObservedDevice device = new(inner);
            bool hasFailed = false;
            using (GpuEngine engine = Engine(model, device, precision))
            {
                // A call that is still pending, with the tables of a different arena in the workspace.
                OnDevice(engine, inner, model, Single, Features(model, first, 2), first, Single);
                if (operation > 0)
                    device.FailAt(operation);
                try
                {
                    expected = Run();
                }
                catch (DeviceException)
                {
                    hasFailed = true;
                }

                if (hasFailed)
                    Assert.That(Run(), Is.EqualTo(expected), $"after operation {operation} failed");

                byte[] Run() => OnDevice(engine, inner, model, Single, features, s_grids, Single);
            }

            Assert.That(inner.AllocatedBytes, Is.Zero, $"operation {operation}");
            if (operation > 0 && !hasFailed)
            {
                Assert.That(operation, Is.GreaterThan(10), "a call has more operations than this");
                return;
            }
        }
    }

    [TestCase(Precision.Float32)]
    [TestCase(Precision.TensorFloat32)]
    [TestCase(Precision.Float16)]
    [TestCase(Precision.BFloat16)]
    [TestCase(Precision.Float16, true)]
    [TestCase(Precision.BFloat16, true)]
    public void A_device_overflow_is_reported_once_and_on_request(Precision precision, bool isHopper = false)
    {
        using TestModel model = new(Config());
        EmulatorDevice device = EmulatorDevice.WithTensorCores(isHopper);
        using GpuEngine engine = new(device, EmulatorHost.Compiler, model.Model, new()
        {
            Precision = precision,
            ValidateFeatures = false,
        });
        float[] features = Features(model, s_grids, 1);
        float[] expected = OnHost(engine, model, features, s_grids);
        engine.ThrowIfOverflowed();
        int second = (int)s_grids[0].PatchCount * model.Model.Config.VisionHiddenSize;
        Type overflow = precision == Precision.Float16 ? typeof(Float16OverflowException)
            : typeof(ActivationOverflowException);
        foreach ((float value, DeviceElementType type) in new[] { (float.NaN, Single),
            (float.PositiveInfinity, TypesOf(precision)[^1]) })
        {
            float[] large = [.. features];
            large[second + 3] = value;
            OnDevice(engine, device, model, type, large, s_grids, type);
            Assert.That(OnHost(engine, model, features, s_grids), Is.EqualTo(expected), "it is not this call's");
            OnDevice(engine, device, model, type, features, s_grids, type);
            Assert.That(engine.ThrowIfOverflowed, Throws.TypeOf(overflow)
                .With.Message.StartsWith("image or group 1 of a call since the last check: ").And.Property("ImageIndex")
                .EqualTo(1).And.Property("Precision").EqualTo(precision), $"{value}");
            Assert.That(engine.ThrowIfOverflowed, Throws.Nothing);
        }

        float[] bad = [.. features];
        bad[second] = float.NaN;
        Assert.That(() => OnHost(engine, model, bad, s_grids), Throws.TypeOf(overflow)
            .With.Message.StartsWith("image 1 (1x3 patches): "));
        Assert.That(engine.ThrowIfOverflowed, Throws.Nothing, "a call for the host reports only its own overflow");

        // A failing call disposes its workspace, and with it the only stream.
        OnDevice(engine, device, model, Single, bad, s_grids, Single);
        Assert.That(() => OnHost(engine, model, bad, s_grids), Throws.TypeOf(overflow));
        Assert.That(engine.ThrowIfOverflowed, Throws.TypeOf(overflow), "the overflow of the call before");
    }

    /// <summary>The recorded index counts images of the call, not of the group, in replays too.</summary>
    [Test]
    public void An_overflow_in_a_later_group_names_the_image_of_the_call([Values(0, 3, 5)] int image)
    {
        using TestModel model = new(Config());
        PatchGrid[] grids = [new(5, 4), new(5, 4), new(5, 4), new(5, 4), new(5, 4), new(5, 4)];
        EmulatorDevice device = new(memoryBytes: 400 << 10, architecture: 80);
        ObservedDevice observed = new(device);
        using GpuEngine engine = new(observed, EmulatorHost.Compiler, model.Model, new()
        {
            Precision = Precision.Float16,
            ValidateFeatures = false,
        });
        float[] features = Features(model, grids, 3);
        features[image * features.Length / grids.Length] = float.NaN;
        for (int round = 0; round < 3; round++)
        {
            OnDevice(engine, device, model, Single, features, grids, Single);
            Assert.That(observed.Counts["wait"], Is.GreaterThanOrEqualTo(2 * (round + 1)), "groups");
            Assert.That(engine.ThrowIfOverflowed, Throws.TypeOf<Float16OverflowException>()
                .With.Property("ImageIndex").EqualTo(image));
            Assert.That(() => OnHost(engine, model, features, grids), Throws.TypeOf<Float16OverflowException>()
                .With.Property("ImageIndex").EqualTo(image).And.Property("Grid").EqualTo(grids[image]));
        }
    }

    [Test]
    public void Tokens_beyond_float16_are_reported_if_float16_is_requested()
    {
        // Only the bias of the last product is large. In float32 this is not an overflow.
        using TestModel model = new(Config(), edit: tensor => tensor.Name == "proj.bias"
            ? tensor with { ValueAt = _ => 70000 } : tensor);
        EmulatorDevice device = new(architecture: 80);
        using GpuEngine engine = Engine(model, device, Precision.Float16);
        float[] features = Features(model, s_grids, 1);
        int count = TokenCount(model, s_grids);
        OnDevice(engine, device, model, Single, features, s_grids, Single);
        Assert.That(engine.ThrowIfOverflowed, Throws.Nothing);
        OnDevice(engine, device, model, Single, features, s_grids, Half);
        Assert.That(engine.ThrowIfOverflowed, Throws.TypeOf<Float16OverflowException>());
    }

    [Test]
    public void Other_precisions_do_not_overflow(
        [Values(Precision.Float32, Precision.BFloat16)] Precision precision)
    {
        using TestModel model = new(Config());
        EmulatorDevice device = new(architecture: 80);
        using GpuEngine engine = Engine(model, device, precision);
        OnDevice(engine, device, model, Single, [.. Features(model, s_grids, 1).Select(value => value * 1e7f)], s_grids,
            Single);
        Assert.That(engine.ThrowIfOverflowed, Throws.Nothing);
    }

    [Test]
    public void A_NaN_feature_affects_only_its_own_image(
        [Values(Precision.Float32, Precision.BFloat16)] Precision precision)
    {
        using TestModel model = new(Config());
        EmulatorDevice device = new(architecture: 80);
        using GpuEngine engine = Engine(model, device, precision);
        float[] features = Features(model, s_grids, 1);
        int second = OnHost(engine, model, features, s_grids).Length / 2;
        byte[] expected = OnDevice(engine, device, model, Single, features, s_grids, Single);
        features[5] = float.NaN;
        byte[] found = OnDevice(engine, device, model, Single, features, s_grids, Single);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(found[(4 * second)..], Is.EqualTo(expected[(4 * second)..]));
            Assert.That(Enumerable.Range(0, second).Select(index => BitConverter.ToSingle(found, 4 * index)),
                Has.Some.NaN);
        }
    }

    [Test]
    public void Concurrent_calls_have_equal_tokens_and_do_not_deadlock()
    {
        using TestModel model = new(Config());
        EmulatorDevice device = new(architecture: 80);
        using GpuEngine engine = Engine(model, device, Precision.Float32);
        float[] features = Features(model, s_grids, 1);
        float[] expected = OnHost(engine, model, features, s_grids);
        byte[] bytes = DeviceArray.Encode(Single, expected);
        Task[] tasks = [.. Enumerable.Range(0, 8).Select(thread => Task.Factory.StartNew(() =>
        {
            for (int round = 0; round < 3; round++)
            {
                Assert.That(OnDevice(engine, device, model, Single, features, s_grids, Single), Is.EqualTo(bytes));
                engine.ThrowIfOverflowed();
                if (thread % 2 == 0)
                    Assert.That(OnHost(engine, model, features, s_grids), Is.EqualTo(expected));
            }
        }, TaskCreationOptions.LongRunning))];
        Assert.That(Task.WaitAll(tasks, TimeSpan.FromSeconds(60)), "a deadlock");
    }

    [Test]
    public void A_disposed_engine_rejects_calls_and_overflow_checks()
    {
        using TestModel model = new(Config());
        EmulatorDevice device = new();
        GpuEngine engine = Engine(model, device, Precision.Float32);
        engine.Dispose();
        DeviceTensor tensor = new(256, 1, Single);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => engine.Resample(tensor, new FrameGroups(s_grids), tensor with { Address = 512 }, 0),
                Throws.TypeOf<ObjectDisposedException>());
            Assert.That(engine.ThrowIfOverflowed, Throws.TypeOf<ObjectDisposedException>());
        }
    }

    private static GpuEngine Engine(TestModel model, IDevice device, Precision precision)
        => new(device, EmulatorHost.Compiler, model.Model, new() { Precision = precision });

    private static float[] Features(TestModel model, PatchGrid[] grids, int seed)
        => [.. grids.SelectMany((grid, image) => model.RandomFeatures(grid, (10 * seed) + image))];

    private static int TokenCount(TestModel model, PatchGrid[] grids)
        => grids.Length * model.Model.Config.QueryGrid.QueryCount * model.Model.Config.OutputSize;

    private static float[] OnHost(GpuEngine engine, TestModel model, float[] features, PatchGrid[] grids)
    {
        float[] tokens = new float[TokenCount(model, grids)];
        engine.Resample(features, grids, tokens, CancellationToken.None);
        return tokens;
    }

    /// <summary>The bytes of the tokens. Each call has its own memory.</summary>
    private static byte[] OnDevice(GpuEngine engine, EmulatorDevice device, TestModel model,
        DeviceElementType featureType, float[] features, PatchGrid[] grids, DeviceElementType tokenType)
    {
        using DeviceArray source = new(device, featureType, features);
        using DeviceArray target = new(device, tokenType, TokenCount(model, grids));
        engine.Resample(source.Tensor, new FrameGroups(grids), target.Tensor, 0);
        return target.Read(device);
    }
}
