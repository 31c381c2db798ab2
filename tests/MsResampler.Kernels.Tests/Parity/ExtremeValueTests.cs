using MsResampler.Kernels.Forward;

namespace MsResampler.Kernels.Tests.Parity;

/// <summary>Whole models on emulated devices with features and weights of extreme sizes, compared with the
/// double-precision reference.</summary>
public class ExtremeValueTests
{
    private const Precision Single = Precision.Float32;

    private static readonly PatchGrid s_grid = new(5, 4);

    [Test]
    public void Large_biases_before_ln_post_cost_no_precision(
        [Values(Single, Precision.TensorFloat32, Precision.Float16, Precision.BFloat16)] Precision precision,
        [Values(1, 2)] int scopeCount, [Values] GateGranularity granularity)
    {
        ResamplerConfig config = scopeCount == 1 ? Configs.Of(Configs.None)
            : Configs.Of(Configs.Window(2, 2), Configs.None) with { Gate = new GateConfig(7, granularity) };
        // Otherwise the bias would dominate the input of fc1.
        using TestModel model = Rounding.Model(config, new(), precision, 1, tensor
            => tensor.Name.EndsWith("out_proj.bias", StringComparison.Ordinal)
                ? tensor with { ValueAt = index => tensor.ValueAt(index) + OffsetOf(tensor.Name) }
            : tensor.Name == "gate.fc1.weight" ? tensor with { ValueAt = index => tensor.ValueAt(index) / 1024 }
            : tensor);
        float[] features = Rounding.Features(model, precision, s_grid, 1);

        AssertAgreement(model, precision, features);

        float OffsetOf(string name) => granularity == GateGranularity.Token && name.Contains(".0.") ? -512 : 1024;
    }

    /// <summary>ε is far below any deviation, so that it hides no error.</summary>
    [TestCase(Precision.Float32, 1e-30f)]
    [TestCase(Precision.Float32, 1e30f)]
    [TestCase(Precision.Float32, 3e37f)]
    [TestCase(Precision.TensorFloat32, 1e-30f)]
    [TestCase(Precision.TensorFloat32, 3e37f)]
    [TestCase(Precision.Float16, 1e-38f)]
    [TestCase(Precision.Float16, 1e-6f)]
    [TestCase(Precision.Float16, 1e6f)]
    [TestCase(Precision.Float16, 5e37f)]
    [TestCase(Precision.BFloat16, 1e-37f)]
    [TestCase(Precision.BFloat16, 1e-20f)]
    [TestCase(Precision.BFloat16, 1e20f)]
    [TestCase(Precision.BFloat16, 5e37f)]
    public void Features_of_any_scale_keep_their_precision(Precision precision, float scale)
    {
        foreach (bool hasInput in new[] { true, false })
        {
            ResamplerConfig config = Configs.Of(Configs.Window(2, 2), Configs.None) with { LayerNormEpsilon = 1e-90 };
            using TestModel model = Rounding.Model(
                hasInput ? config : config with { VisionHiddenSize = config.HiddenSize },
                new() { OmitKeyValueInput = !hasInput }, precision, 1);
            // A power of two keeps rounded features representable.
            float power = MathF.ScaleB(1, Math.ILogB(scale));
            float[] features = [.. Rounding.Features(model, precision, s_grid, 1).Select(value => value * power)];
            AssertAgreement(model, precision, features);
        }
    }

    [TestCase(Precision.Float16)]
    [TestCase(Precision.BFloat16)]
    public void Weights_of_any_scale_keep_their_precision(Precision precision)
    {
        foreach (float scale in new[] { 1f / (1 << 10), 1 << 12 })
        {
            ResamplerConfig config = Configs.Of(Configs.Window(2, 2), Configs.None) with { LayerNormEpsilon = 1e-12 };
            using TestModel model = Rounding.Model(
                config, new(), precision, 1, tensor => tensor.Name == "kv_proj.weight"
                ? tensor with { ValueAt = index => tensor.ValueAt(index) * scale } : tensor);
            AssertAgreement(model, precision, Rounding.Features(model, precision, s_grid, 1));
        }
    }

    /// <summary>ε distinguishes scales of features: a factor of the rows must multiply it too.</summary>
    [Test]
    public void Epsilon_is_scaled_with_the_rows([Values(Single, Precision.TensorFloat32, Precision.Float16,
        Precision.BFloat16)] Precision precision, [Values] bool hasInput)
    {
        foreach (int exponent in new[] { -60, -10, -3, 0, 7 })
        {
            ResamplerConfig config = Configs.Of(Configs.None) with { LayerNormEpsilon = 1e-5 };
            using TestModel model = Rounding.Model(
                hasInput ? config : config with { VisionHiddenSize = config.HiddenSize },
                new() { OmitKeyValueInput = !hasInput }, precision, 1, tensor => tensor.Name == "ln_kv.bias"
                ? tensor with { ValueAt = index => tensor.ValueAt(index) + 1 } : tensor);
            float[] features = [.. Rounding.Features(model, precision, s_grid, 1)
                .Select(value => MathF.ScaleB(value, exponent))];
            AssertAgreement(model, precision, features);
        }
    }

    /// <summary>Padding and backgrounds have constant features; other features are far from 0.</summary>
    [TestCase(Single)]
    [TestCase(Precision.TensorFloat32)]
    public void Constant_and_distant_features_are_normalised_correctly(Precision precision)
    {
        ResamplerConfig config = Configs.Of(Configs.Window(2, 2), Configs.None) with { VisionHiddenSize = 24 };
        using TestModel model = Rounding.Model(config, new() { OmitKeyValueInput = true }, precision, 1);
        float[] features = Rounding.Features(model, precision, s_grid, 1);
        float[] constants = [1.1f, 33.3f, 1000.1f, -0.3f, 1e30f];
        for (int index = 0; index < features.Length; index++)
        {
            int patch = index / 24;
            features[index] = patch < constants.Length ? constants[patch] : patch < 12 ? features[index] + 1e5f
                : features[index];
        }

        AssertAgreement(model, precision, features);
    }

    /// <summary>The weights of kv_proj are far from 0: the mean of its product dominates the deviation in
    /// float32.</summary>
    [Test]
    public void A_distant_input_projection_is_normalised_correctly([Values(Single, Precision.TensorFloat32,
        Precision.Float16, Precision.BFloat16)] Precision precision)
    {
        using TestModel model = Rounding.Model(Configs.Of(Configs.Window(2, 2), Configs.None), new(), precision, 1,
            tensor
            => tensor.Name == "kv_proj.weight" ? tensor with { ValueAt = index => tensor.ValueAt(index) + 4 } : tensor);
        AssertAgreement(model, precision, Rounding.Features(model, precision, s_grid, 1));
    }

    private static IEnumerable<TestCaseData> Overflows()
    {
        foreach (Precision precision in new[] { Single, Precision.TensorFloat32, Precision.Float16,
            Precision.BFloat16 })
        {
            foreach ((string tensor, float scale) in new[]
            {
                ("kv_proj.weight", 1e38f), ("scopes.0.attn.k_proj.weight", 3e38f),
                ("scopes.1.attn.k_proj.weight", -1e37f),
                ("scopes.0.attn.q_proj.weight", 1e38f), ("scopes.0.attn.v_proj.weight", 3e38f),
                ("scopes.1.attn.v_proj.bias", 2e38f), ("scopes.0.attn.out_proj.weight", 3e38f),
                ("gate.fc1.weight", 3e38f), ("gate.fc1.weight", -3e38f), ("gate.fc2.weight", 3e38f),
                ("gate.fc2.weight", -3e38f), ("proj.weight", 3e38f), ("ln_post.weight", 3e38f), ("ln_kv.weight", 1e37f),
            })
            {
                // In 16 bits no product of kv_proj overflows, and overflowing folded weights are errors of the model.
                // In float16 the gate and the tokens are float32.
                float size = precision == Precision.Float16 ? MathF.CopySign(30000, scale)
                    : precision == Precision.BFloat16 && tensor.EndsWith("_proj.weight", StringComparison.Ordinal)
                    ? scale / 4 : scale;
                if (precision is Precision.Float16 or Precision.BFloat16
                    && tensor is "kv_proj.weight" or "ln_kv.weight")
                    continue;
                if (precision == Precision.Float16 && !tensor.EndsWith("k_proj.weight", StringComparison.Ordinal)
                    && !tensor.EndsWith("v_proj.weight", StringComparison.Ordinal)
                    && !tensor.EndsWith("out_proj.weight",
                    StringComparison.Ordinal))
                {
                    continue;
                }

                yield return new TestCaseData(precision, tensor, size).SetArgDisplayNames($"{precision}", tensor,
                    $"{size:G1}");
            }
        }
    }

    /// <summary>The result is an error and never NaN, infinity or a wrong token.</summary>
    [TestCaseSource(nameof(Overflows))]
    public void An_overflowing_product_is_an_error_that_names_the_image(
        Precision precision, string name, float size)
    {
        ResamplerConfig config = Configs.Of(Configs.Window(2, 2), Configs.None) with
        {
            Gate = new GateConfig(7, GateGranularity.Token),
        };
        using TestModel model = new(config, edit: tensor => tensor.Name == name
            ? tensor with { ValueAt = index => (float)((((index * 7) % 5) - 1.5) / 2.5 * size) } : tensor);
        PatchGrid[] grids = [s_grid, new(3, 2)];
        float[] features = [.. grids.SelectMany(grid => model.RandomFeatures(grid, 1))];
        ResamplerConfig found = model.Model.Config;
        float[] tokens = new float[2 * found.QueryGrid.QueryCount * found.OutputSize];
        foreach (bool isHopper in EmulatorDevice.KindsFor(precision))
        {
            using GpuEngine engine = new(EmulatorDevice.WithTensorCores(isHopper), EmulatorHost.Compiler, model.Model,
                new() { Precision = precision });
            for (int call = 0; call < 3; call++)
            {
                Assert.That(() => engine.Resample(features, grids, tokens, CancellationToken.None),
                    Throws.InstanceOf<ActivationOverflowException>()
                        .With.Message.Matches(@"^image (0 \(5x4|1 \(3x2) patches\): ")
                        .And.Property("Precision").EqualTo(precision), $"call {call}, Hopper: {isHopper}");
            }
        }
    }

    private static void AssertAgreement(TestModel model, Precision precision, float[] features)
    {
        double[] expected = model.Reference.Resample(features, s_grid);
        foreach (bool isHopper in EmulatorDevice.KindsFor(precision))
        {
            Assert.That(Tolerances.RelativeError(Resample(model, precision, features, isHopper), expected),
                Is.LessThanOrEqualTo(Rounding.ToleranceOf(precision)), $"Hopper: {isHopper}");
        }
    }

    private static float[] Resample(TestModel model, Precision precision, float[] features, bool isHopper)
    {
        ResamplerConfig config = model.Model.Config;
        float[] tokens = new float[config.QueryGrid.QueryCount * config.OutputSize];
        using GpuEngine engine = new(EmulatorDevice.WithTensorCores(isHopper), EmulatorHost.Compiler, model.Model,
            new() { Precision = precision });
        engine.Resample(features, [s_grid], tokens, CancellationToken.None);
        return tokens;
    }
}
