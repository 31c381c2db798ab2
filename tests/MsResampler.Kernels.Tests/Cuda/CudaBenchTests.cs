using MsResampler.Kernels.Compiler;
using MsResampler.Kernels.Device.Cuda;
using MsResampler.Kernels.Measuring;
using MsResampler.Model;
using NUnit.Framework;

namespace MsResampler.Kernels.Tests.Cuda;

/// <summary>Measuring through the driver: its rules are kept and nothing is left, whatever its clock says.</summary>
internal sealed class CudaBenchTests : CudaModelFixture
{
    [Test]
    public void A_model_is_measured_on_a_device_of_the_driver(
        [Values(Precision.Float32, Precision.Float16)] Precision precision)
    {
        using EmulatedBacking backing = new();
        MockDriver.SetDevice(0, "Mock GPU", multiprocessorCount: 1);
        MockDriver.Attach(backing);
        using ResamplerModel model = ResamplerModel.Open(Folder);
        PatchGrid grid = new(3, 4);
        float[] features = [.. Enumerable.Range(0, (int)grid.PatchCount * model.Config.VisionHiddenSize)
            .Select(index => (index % 7) - 3f)];
        float[] tokens = new float[model.Config.QueryGrid.QueryCount * model.Config.OutputSize];
        using (DeviceBench bench = new(CudaDevices.OpenFirst, new KernelCompiler(),
            new BenchEffort(TimeSpan.Zero) { CopyBytes = 1 << 14, BusySteps = 1, ProductSteps = 1 }))
        {
            ModelFigures figures = bench.Measure(model, new ResamplerOptions { Precision = precision }, features, [grid],
                tokens, () => { });

            Assert.That(bench.Ceilings.Launches.Graph, Is.Not.Null);
            Assert.That(figures.Launches, Has.Count.EqualTo(precision == Precision.Float16 ? 7 : 9));
            Assert.That(figures.Gflop, Is.Positive, "launches are those that were expected");
        }

        Assert.That(MockDriver.BackingFailure, Is.Null);
    }
}
