using MsResampler.Kernels.Engine;
using MsResampler.Kernels.Tests.Devices;
using MsResampler.Model;
using MsResampler.Tests;
using MsResampler.Tests.Model;
using MsResampler.Tests.Reference;
using NUnit.Framework;

namespace MsResampler.Kernels.Tests.Parity;

/// <summary>Whole models on emulated devices, with features and weights of unusual sizes, against the double-precision
/// reference.</summary>
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
        // fc1 would see nothing else.
        using TestModel model = Rounding.Model(config, new(), precision, 1, tensor
            => tensor.Name.EndsWith("out_proj.bias", StringComparison.Ordinal)
                ? tensor with { ValueAt = index => tensor.ValueAt(index) + OffsetOf(tensor.Name) }
            : tensor.Name == "gate.fc1.weight" ? tensor with { ValueAt = index => tensor.ValueAt(index) / 1024 } : tensor);
        float[] features = Rounding.Features(model, precision, s_grid, 1);

        AssertAgreement(model, precision, features);

        float OffsetOf(string name) => granularity == GateGranularity.Token && name.Contains(".0.") ? -512 : 1024;
    }

    private static void AssertAgreement(TestModel model, Precision precision, float[] features)
        => Assert.That(Tolerances.RelativeError(Resample(model, precision, features),
            model.Reference.Resample(features, s_grid)), Is.LessThanOrEqualTo(Rounding.ToleranceOf(precision)));

    private static float[] Resample(TestModel model, Precision precision, float[] features)
    {
        ResamplerConfig config = model.Model.Config;
        float[] tokens = new float[config.QueryGrid.QueryCount * config.OutputSize];
        using GpuEngine engine = new(new EmulatorDevice(architecture: 80), EmulatorHost.Compiler, model.Model,
            new() { Precision = precision });
        engine.Resample(features, [s_grid], tokens, CancellationToken.None);
        return tokens;
    }
}
