using MsResampler.Kernels.Device.Cuda;
using MsResampler.Perf.Ceilings;
using MsResampler.Perf.Gpu;

namespace MsResampler.Kernels.Tests.Cuda;

/// <summary>Benchmarks through the mock driver. The fixture checks that calls keep the driver's rules and that all
/// resources are released.</summary>
internal sealed class CudaBenchTests : CudaModelFixture
{
    [Test]
    public void A_model_is_measured_through_the_driver(
        [Values(Precision.Float32, Precision.Float16)] Precision precision)
    {
        MockDriver.SetDevice(0, "Mock GPU", multiprocessorCount: 1);
        AttachEmulator();
        using ResamplerModel model = ResamplerModel.Open(Folder);
        PatchGrid grid = new(3, 4);
        float[] features = [.. Enumerable.Range(0, (int)grid.PatchCount * model.Config.VisionHiddenSize)
            .Select(index => (index % 7) - 3f)];
        float[] tokens = new float[model.Config.QueryGrid.QueryCount * model.Config.OutputSize];
        DeviceBench bench = new(() => CudaDevices.OpenFirst(), new KernelCompiler(),
            new BenchEffort(TimeSpan.Zero) { CopyBytes = 1 << 14, BusySteps = 1, ProductSteps = 1 });
        ModelFigures figures = bench.Measure(model, new ResamplerOptions { Precision = precision }, features,
            [grid], tokens, () => { });

        Assert.That(bench.Ceilings.Launches.Graph, Is.Not.Null);
        Assert.That(figures.Launches, Has.Count.EqualTo(precision == Precision.Float16 ? 7 : 9));
        Assert.That(figures.Gflop, Is.Positive, "the launches match the expected steps");
    }

    [Test]
    public void The_command_shows_times_and_images_per_second()
    {
        AttachEmulator();

        string output = CliRun.Of("bench", "--model", Folder, "--grid", "3x4", "--backend", "cuda", "--seconds", "0.01")
            .Succeeds().Output;

        Assert.That(output, Does.Contain("Mock GPU (sm_80)").And.Match(@"calls +median +p10 +p90 +images/s +FLOP/s"));
        Assert.That(output.TrimEnd().Split('\n'), Has.Length.EqualTo(3), "a description and one table");
    }
}
