using MsResampler.Kernels.Forward;
using MsResampler.Perf.Timing;

namespace MsResampler.Kernels.Tests.Perf;

/// <summary>Engines whose matrix products have a given large tile.</summary>
public sealed class LargeTileTests
{
    [Test]
    public void Every_large_product_has_the_tile_and_the_tokens_have_the_same_bits()
    {
        ResamplerConfig config = Configs.Of(Configs.Window(4, 4), Configs.None) with
        {
            VisionHiddenSize = 128,
            HiddenSize = 128,
            AttentionHeadCount = 4,
        };
        using TestModel model = new(config);
        PatchGrid grid = new(24, 24);
        float[] features = model.RandomFeatures(grid, 1);
        (float[] expected, _) = Run(null);

        using (Assert.EnterMultipleScope())
        {
            foreach (string name in LargeTile.Names)
            {
                (float[] tokens, string[] kernels) = Run(name);
                string[] large = [.. kernels.Where(kernel => kernel.Contains(" GemmMmaTile128x128"))];
                Assert.That(large, Is.Not.Empty.And.All.Contains($" GemmMmaTile{name} "), name);
                Assert.That(tokens, Is.EqualTo(expected), name);
            }
        }

        (float[] Tokens, string[] Kernels) Run(string? name)
        {
            EmulatorDevice device = new(architecture: 80);
            TimedDevice timed = new(device, name is null ? null : new LargeTile(name, EmulatorHost.Compiler));
            using GpuEngine engine = new(timed, EmulatorHost.Compiler, model.Model,
                new() { Precision = Precision.Float16 });
            float[] tokens = new float[config.QueryGrid.QueryCount * config.OutputSize];
            engine.Resample(features, [grid], tokens, CancellationToken.None);
            return (tokens, [.. device.Reports.Select(report => report.Kernel)]);
        }
    }
}
