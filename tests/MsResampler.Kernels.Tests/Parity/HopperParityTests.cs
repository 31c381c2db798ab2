using MsResampler.Kernels.Forward;
using PtxEmulator;

namespace MsResampler.Kernels.Tests.Parity;

/// <summary>Models in 16 bits on a device whose products are wgmma.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class HopperParityTests
{
    private static readonly PatchGrid[] s_grids = [new(11, 13), new(3, 4), new(12, 12), new(1, 1)];

    [Test]
    public void A_model_agrees_with_the_reference_in_every_batch(
        [Values(Precision.Float16, Precision.BFloat16)] Precision precision, [Values] bool isGpuArithmetic)
    {
        ResamplerConfig config = Configs.Mixed;
        using TestModel model = Rounding.Model(config, new(), precision, seed: 3);
        EmulatorOptions? arithmetic = isGpuArithmetic ? EmulatorDevice.GpuArithmetic : null;
        float[][] features = [.. s_grids.Select((grid, image) => Rounding.Features(model, precision, grid, image))];
        (float[] tokens, string[] kernels) = Resample(0, 1, 2, 3);
        int tokenLength = tokens.Length / s_grids.Length;

        using (Assert.EnterMultipleScope())
        {
            Assert.That(kernels.Count(name => name.StartsWith("GemmWgmma ", StringComparison.Ordinal)), Is.EqualTo(5));
            Assert.That(kernels, Has.None.StartsWith("GemmMma "));
            for (int image = 0; image < s_grids.Length; image++)
            {
                float[] own = tokens[(image * tokenLength)..((image + 1) * tokenLength)];
                Assert.That(Tolerances.RelativeError(own, model.Reference.Resample(features[image], s_grids[image])),
                    Is.LessThanOrEqualTo(Rounding.ToleranceOf(precision)), $"image {image}");
                Assert.That(Resample(image).Tokens, Is.EqualTo(own), $"image {image} alone");
            }
        }

        (float[] Tokens, string[] Kernels) Resample(params int[] images)
        {
            EmulatorDevice device = new((ulong)images.Length, architecture: 90, arithmetic: arithmetic, isHopper: true);
            using GpuEngine engine = new(device, EmulatorHost.Compiler, model.Model, new() { Precision = precision });
            float[] result = new float[images.Length * config.QueryGrid.QueryCount * config.OutputSize];
            engine.Resample([.. images.SelectMany(image => features[image])], [.. images.Select(image
                => s_grids[image])], result, CancellationToken.None);
            return (result, [.. device.Reports.Select(report => report.Kernel)]);
        }
    }
}
