using MsResampler.Kernels.Forward;
using MsResampler.Safetensors;

namespace MsResampler.Kernels.Tests.Forward;

/// <summary>The precision in which a model is computed, and how the engine reports values that it cannot
/// represent.</summary>
public class PrecisionTests
{
    private static readonly PatchGrid s_grid = new(5, 4);

    private static ResamplerConfig Config() => Configs.Of(
        Configs.Window(2, 2), Configs.Gaussian(2, 2), Configs.None) with
    {
        PositionEmbedding = new(PositionEmbeddingType.SinCos2D, PositionEmbeddingType.None),
    };

    [TestCase(TensorType.F32, 80, Precision.Float32)]
    [TestCase(TensorType.F64, 80, Precision.Float32)]
    [TestCase(TensorType.F16, 80, Precision.Float16)]
    [TestCase(TensorType.BF16, 90, Precision.BFloat16)]
    [TestCase(TensorType.F16, 75, Precision.Float32)]
    public void Auto_uses_the_checkpoint_type_if_the_device_supports_it(TensorType stored, int architecture,
        Precision expected)
    {
        using TestModel model = new(Config(), new() { Type = stored });
        using GpuEngine engine = Engine(model, Precision.Auto, architecture);
        Assert.That(engine.Precision, Is.EqualTo(expected));
    }

    [Test]
    public void Too_wide_heads_are_computed_in_float32_if_allowed()
    {
        using TestModel model = new(Config() with { HiddenSize = 2 * 132, AttentionHeadCount = 2 },
            new() { Type = TensorType.F16 });
        using (GpuEngine engine = Engine(model, Precision.Auto, 80))
            Assert.That(engine.Precision, Is.EqualTo(Precision.Float32));
        Assert.That(() => Engine(model, Precision.Float16, 80), Throws.TypeOf<NotSupportedException>()
            .With.Message.Contains("Precision Float16").And.Message.Contains("128").And.Message.Contains("132")
            .And.Message.Contains("Precision.Float32"));
    }

    [Test]
    public void A_device_without_tensor_cores_rejects_their_precisions([Values(Precision.TensorFloat32,
        Precision.Float16, Precision.BFloat16)] Precision precision)
    {
        using TestModel model = new(Config());
        EmulatorDevice device = new(architecture: 75);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => new GpuEngine(device, EmulatorHost.Compiler, model.Model,
                new() { Precision = precision }),
                Throws.TypeOf<NotSupportedException>().With.Message.Contains($"{precision}")
                    .And.Message.Contains("sm_80").And.Message.Contains("sm_75"));
            Assert.That(device.IsDisposed);
        }
    }

    [Test]
    public void A_16_bit_forward_pass_has_seven_launches(
        [Values(Precision.Float16, Precision.BFloat16)] Precision precision, [Values] bool hasInput)
    {
        ResamplerConfig config = Config();
        using TestModel model = new(hasInput ? config : config with { VisionHiddenSize = config.HiddenSize },
            new() { OmitKeyValueInput = !hasInput });
        EmulatorDevice device = new(architecture: 80) { HasGraphs = false };
        using GpuEngine engine = new(device, EmulatorHost.Compiler, model.Model, new() { Precision = precision });
        float[] features = model.RandomFeatures(s_grid, 1);
        Resample(engine, model, features);
        int before = device.Reports.Count;

        Resample(engine, model, features);

        Assert.That(device.Reports.Skip(before).Select(launch => launch.Kernel.Split(' ')[0]), Is.EqualTo(new[]
        {
            hasInput ? "GemmMma" : "LayerNormBits16", "GemmMma", "ScopeAttentionMma", "GemmMma", "GemmMma",
            "FusionGateBits16", "GemmMma",
        }));
    }

    [Test]
    public void A_graph_replays_the_same_bits([Values(Precision.Float32, Precision.TensorFloat32, Precision.Float16,
        Precision.BFloat16)] Precision precision)
    {
        using TestModel model = new(Config());
        EmulatorDevice device = new(architecture: 80);
        using GpuEngine engine = new(device, EmulatorHost.Compiler, model.Model, new() { Precision = precision });
        float[] features = model.RandomFeatures(s_grid, 1);
        float[] other = model.RandomFeatures(s_grid, 2);
        float[] first = Resample(engine, model, features);
        float[] otherFirst = Resample(engine, model, other);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Resample(engine, model, features), Is.EqualTo(first));
            Assert.That(Resample(engine, model, other), Is.EqualTo(otherFirst));
            Assert.That(otherFirst, Is.Not.EqualTo(first));
            Assert.That(device.GraphLaunchCount, Is.EqualTo(3), "from the second call of a shape on");
        }
    }

    [Test]
    public void An_activation_beyond_float16_is_reported_by_its_call()
    {
        // The features are zero, so the values are equal to their bias.
        using TestModel model = new(Config(), edit: tensor => tensor.Name == "scopes.1.attn.v_proj.bias"
            ? tensor with { ValueAt = _ => 60000 } : tensor.Name == "ln_kv.bias"
            ? tensor with { ValueAt = _ => 0 } : tensor.Name == "scopes.1.attn.v_proj.weight"
            ? tensor with { ValueAt = index => 10000 * tensor.ValueAt(index) }
            : tensor.Name == "scopes.1.attn.out_proj.weight" ? tensor with { ValueAt = _ => 1e-3f } : tensor);
        using GpuEngine engine = Engine(model, Precision.Float16, 80);
        float[] features = new float[s_grid.PatchCount * model.Model.Config.VisionHiddenSize];
        float[] expected = Resample(engine, model, features);
        float[] large = model.RandomFeatures(s_grid, 1);
        Assert.That(() => Resample(engine, model, large), Throws.TypeOf<Float16OverflowException>()
            .With.Message.StartsWith("image 0 (5x4 patches): ").And.Message.Contains("65504")
            .And.Message.Contains("BFloat16").And.Property("ImageIndex").Zero);
        Assert.That(Resample(engine, model, features), Is.EqualTo(expected), "the next call");
    }

    [Test]
    public void A_projected_query_beyond_float16_is_reported([Values] bool hasAnchors)
    {
        using TestModel model = new(Config() with
        {
            PositionEmbedding = new(PositionEmbeddingType.SinCos2D,
                hasAnchors ? PositionEmbeddingType.SinCos2D : PositionEmbeddingType.None),
        }, edit: tensor => tensor.Name == "scopes.2.attn.q_proj.bias"
            ? tensor with { ValueAt = index => index == 5 ? 4e5f : 0 } : tensor);
        Assert.That(() =>
        {
            using GpuEngine engine = Engine(model, Precision.Float16, 80);
            Resample(engine, model, model.RandomFeatures(s_grid, 1));
        }, Throws.TypeOf<Float16OverflowException>().With.Message.Contains("query"));
    }

    [Test]
    public void A_folded_weight_beyond_bfloat16_is_an_error_of_the_model([Values("weight", "bias")] string normPart)
    {
        using TestModel model = new(Config(), edit: tensor => tensor.Name == "scopes.1.attn.v_proj.weight"
            ? tensor with { ValueAt = index => 1e20f } : tensor.Name == $"ln_kv.{normPart}"
            ? tensor with { ValueAt = _ => 1e20f } : tensor);
        Assert.That(() => Engine(model, Precision.BFloat16, 80), Throws.TypeOf<InvalidModelException>()
            .With.Message.Contains("'scopes.1.attn.v_proj."));
    }

    [Test]
    public void A_weight_beyond_float16_is_reported_when_the_model_is_loaded()
    {
        using TestModel model = new(Config(), edit: tensor => tensor.Name == "proj.weight"
            ? tensor with { ValueAt = index => index == 3 ? 7e4f : tensor.ValueAt(index) } : tensor);
        Assert.That(() => Engine(model, Precision.Float16, 80), Throws.TypeOf<Float16OverflowException>()
            .With.Message.Contains("'proj.weight'").And.Message.Contains("70000"));
        using GpuEngine engine = Engine(model, Precision.BFloat16, 80);
        Assert.That(Resample(engine, model, model.RandomFeatures(s_grid, 1)), Has.All.Matches<float>(float.IsFinite));
    }

    [Test]
    public void Stored_integers_are_read_as_floats([Values(Precision.Auto, Precision.TensorFloat32, Precision.Float16,
        Precision.BFloat16)] Precision precision)
    {
        // The same products in F64, which holds them exactly.
        using TestModel model = new(Config());
        using TemporaryFolder folder = new();
        ModelWriter.WriteIntegers(folder.File("integers"), model.Model, ModelLayers.Keys | ModelLayers.Gate);
        using ResamplerModel integers = ResamplerModel.Open(folder.File("integers"));
        ModelWriter.Write(folder.File("doubles"), integers, WeightType.Float64);
        using ResamplerModel doubles = ResamplerModel.Open(folder.File("doubles"));
        float[] features = model.RandomFeatures(s_grid, 1);
        float[][] tokens = [.. new[] { integers, doubles, model.Model }.Select(source =>
        {
            using GpuEngine engine = new(new EmulatorDevice(architecture: 80), EmulatorHost.Compiler, source,
                new() { Precision = precision });
            return Resample(engine, model, features);
        })];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(tokens[0], Is.EqualTo(tokens[1]));
            Assert.That(tokens[0], Is.Not.EqualTo(tokens[2]));
        }
    }

    [Test]
    public void Integer_products_are_rejected()
    {
        using TestModel model = new(Config());
        Assert.That(() => Engine(model, Precision.Int8, 90), Throws.TypeOf<NotSupportedException>()
            .With.Message.EqualTo("Precision Int8: the GPU backend has no integer products; use Precision.Float32 or " +
                "Precision.Auto"));
    }

    [Test]
    public void A_GPU_has_no_weights_as_they_are_stored()
    {
        using TestModel model = new(Config(), new() { Type = TensorType.F16 });
        Assert.That(() => Engine(model, Precision.Float32, 80, WeightStorage.AsStored),
            Throws.TypeOf<NotSupportedException>().With.Message.Contains("WeightStorage AsStored").And.Message.Contains(
            "Backend.Cpu"));
    }

    private static GpuEngine Engine(TestModel model, Precision precision, int architecture,
        WeightStorage storage = WeightStorage.Float32)
        => new(new EmulatorDevice(architecture: architecture), EmulatorHost.Compiler, model.Model,
            new() { Precision = precision, WeightStorage = storage });

    private static float[] Resample(GpuEngine engine, TestModel model, float[] features)
    {
        ResamplerConfig config = model.Model.Config;
        float[] tokens = new float[config.QueryGrid.QueryCount * config.OutputSize];
        engine.Resample(features, [s_grid], tokens, CancellationToken.None);
        return tokens;
    }
}
