using System.Diagnostics;
using MsResampler.Kernels.Device.Cuda;
using MsResampler.Kernels.Forward;
using MsResampler.Kernels.Gemm;

namespace MsResampler.Kernels.Tests.Cuda;

/// <summary>Warming up, and the choice of the device of a model.</summary>
internal sealed class CudaWarmUpTests : CudaModelFixture
{
    private static Precision[] Precisions { get; } = [Precision.Float32, Precision.Float16];

    [TestCaseSource(nameof(Precisions))]
    public void After_warming_up_calls_load_nothing(Precision precision)
    {
        AttachEmulator();
        using Resampler resampler = Resampler.Load(Folder, Options with { Precision = precision });
        resampler.WarmUp();
        int before = MockDriver.ModuleLoadCount;
        Run(resampler);
        resampler.Resample(Features.AsSpan(0, 20), [new PatchGrid(1, 1)], new float[TokenCount / Grids.Length]);
        Assert.That(MockDriver.ModuleLoadCount, Is.EqualTo(before));
    }

    [Test]
    public void After_warming_up_for_grids_the_next_call_is_a_single_graph_launch_with_the_same_tokens()
    {
        AttachEmulator();
        using Resampler cold = Resampler.Load(Folder, Options);
        using Resampler resampler = Resampler.Load(Folder, Options);
        resampler.WarmUp(Grids);
        int launches = MockDriver.Log("cuLaunchKernel").Length;
        int graphs = MockDriver.Log("cuGraphLaunch").Length;
        float[] tokens = Run(resampler);
        Assert.That(MockDriver.Log("cuLaunchKernel"), Has.Length.EqualTo(launches));
        Assert.That(MockDriver.Log("cuGraphLaunch"), Has.Length.EqualTo(graphs + 1));
        Assert.That(tokens, Is.EqualTo(Run(cold)));
    }

    [TestCaseSource(nameof(Precisions))]
    public void With_the_option_loading_loads_all_kernels_of_the_model(Precision precision)
    {
        AttachEmulator();
        using Resampler resampler = Resampler.Load(Folder,
            Options with { Precision = precision, WarmUp = true });
        Assert.That(MockDriver.ModuleLoadCount,
            Is.EqualTo(KernelLibrary.Of(resampler.Config, precision, 80).Distinct().Count()));
        Run(resampler);
        resampler.Explain(new float[25 * resampler.Config.VisionHiddenSize], new PatchGrid(5, 5));
        Assert.That(MockDriver.ModuleLoadCount,
            Is.EqualTo(KernelLibrary.Of(resampler.Config, precision, 80).Distinct().Count()));
    }

    [TestCase(80)]
    [TestCase(89)]
    [TestCase(90)]
    public void Of_the_large_tiles_only_the_one_that_an_architecture_uses_is_loaded(int architecture)
    {
        using ResamplerModel model = ResamplerModel.Open(Folder);
        string[] left = LeftBy(model.Config, Precision.Float16, architecture);
        Assert.That(left.Where(name => name.StartsWith("GemmMma", StringComparison.Ordinal)),
            Has.Exactly(4).Items.And.All.Contains(
                GemmShape.LargeFor(architecture) == GemmShape.Large ? "128x128Wide " : "128x128 "));
        Assert.That(left.Where(name => !name.StartsWith("GemmMma", StringComparison.Ordinal)),
            Has.Exactly(4 * GemmShape.Wgmma.Count).Items.And.All.StartsWith("GemmWgmma "));
    }

    [Test]
    public void On_Hopper_a_model_in_16_bits_loads_only_products_of_its_own_instruction()
    {
        using ResamplerModel model = ResamplerModel.Open(Folder);
        using (Assert.EnterMultipleScope())
        {
            foreach (Precision precision in new[] { Precision.Float16, Precision.BFloat16 })
            {
                Assert.That(LeftBy(model.Config, precision, KernelTarget.Hopper),
                    Has.Exactly(4 * GemmShape.Mma.Count).Items.And.All.StartsWith("GemmMma "), $"{precision}");
            }

            Assert.That(LeftBy(model.Config, Precision.TensorFloat32, KernelTarget.Hopper),
                Is.EquivalentTo(LeftBy(model.Config, Precision.TensorFloat32, 90)), "tf32 as without wgmma");
        }
    }

    /// <summary>The kernels of a precision that a device does not load.</summary>
    private static string[] LeftBy(ResamplerConfig config, Precision precision, KernelTarget target)
        => [.. KernelLibrary.Of(config, precision).Except(KernelLibrary.Of(config, precision, target))
            .Select(variant => variant.Name)];

    [Test]
    public void Kernels_are_compiled_by_the_driver_in_parallel()
    {
        const int Milliseconds = 100;
        Skip.If(Environment.ProcessorCount == 1, "One processor compiles one kernel at a time.");
        using ResamplerModel model = ResamplerModel.Open(Folder);
        foreach (KernelVariant variant in KernelLibrary.Of(model.Config, Precision.Float32))
            variant.Compile(EmulatorHost.Compiler, 80);
        MockDriver.SetJit(Milliseconds);
        // At least two at a time; a busy machine adds a part of the time that they sleep.
        Measured.AssertBelow(0.9, "times of one after the other", () =>
        {
            using GpuEngine engine = new(new CudaDevice(0), EmulatorHost.Compiler, model, new ResamplerOptions());
            int before = MockDriver.JitCount;
            long start = Stopwatch.GetTimestamp();
            engine.LoadKernels(CancellationToken.None);
            double elapsed = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
            int count = MockDriver.JitCount - before;
            Assert.That(count, Is.GreaterThan(4));
            return elapsed / (count * Milliseconds);
        });
    }

    [Test]
    public void A_kernel_that_cannot_be_loaded_fails_the_warm_up_and_not_the_model()
    {
        using ResamplerModel model = ResamplerModel.Open(Folder);
        using (GpuEngine engine = new(new CudaDevice(0), EmulatorHost.Compiler, model, new ResamplerOptions()))
        {
            MockDriver.Fail("cuModuleLoadDataEx", 2);
            Assert.That(() => engine.LoadKernels(CancellationToken.None), Throws.TypeOf<DeviceException>()
                .With.Message.Contains("cuModuleLoadDataEx failed with CUDA_ERROR_OUT_OF_MEMORY"));
            Assert.That(() => engine.LoadKernels(CancellationToken.None), Throws.Nothing);
        }

        for (int failure = 0; failure < 100; failure++)
            MockDriver.Fail("cuModuleGetFunction", 2);
        Assert.That(() => Resampler.Load(Folder, Options with { WarmUp = true }), Throws.TypeOf<DeviceException>());
    }

    [Test]
    public void A_cancelled_or_invalid_warm_up_throws()
    {
        Resampler resampler = Resampler.Load(Folder, Options);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => resampler.WarmUp(Grids, new CancellationToken(canceled: true)),
                Throws.InstanceOf<OperationCanceledException>());
            Assert.That(() => resampler.WarmUp([default]), Throws.ArgumentException);
            resampler.Dispose();
            Assert.That(() => resampler.WarmUp(), Throws.TypeOf<ObjectDisposedException>());
        }
    }

    [Test]
    public void A_model_runs_on_the_chosen_device()
    {
        MockDriver.SetDriver(12_080, 3);
        MockDriver.SetDevice(1, "Second");
        MockDriver.SetDevice(2, "Third");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(NameOn(CudaBackend.ForDevice(1)), Does.StartWith("Second"));
            Assert.That(NameOn(CudaBackend.ForDevice("2")), Does.StartWith("Third"));
            Assert.That(NameOn(CudaBackend.ForDevice("GPU-00000000-0000-0000-0000-000000000002")),
                Does.StartWith("Second"));
            Assert.That(() => NameOn(CudaBackend.ForDevice(3)), Throws.TypeOf<DeviceException>()
                .With.Message.StartsWith("there is no CUDA device 3; there are 3"));
            Assert.That(() => NameOn(CudaBackend.ForDevice("GPU-1")), Throws.TypeOf<DeviceException>());
            Assert.That(() => CudaBackend.ForDevice(-1), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => CudaBackend.ForDevice(" "), Throws.ArgumentException);
        }

        string NameOn(Backend backend)
        {
            using Resampler resampler = Resampler.Load(Folder, new ResamplerOptions { Backend = backend });
            return resampler.Description;
        }
    }

    [Test]
    public void The_command_runs_on_the_chosen_device()
    {
        MockDriver.SetDriver(12_080, 2);
        MockDriver.SetDevice(1, "Second");
        AttachEmulator();
        Assert.That(CliRun.Of("verify", "--model", Folder, "--device", "1").Succeeds().Output,
            Does.Contain("Second (sm_80)"));
        CliRun.Of("verify", "--model", Folder, "--device", "GPU-7").FailsNaming("'GPU-7'");
        CliRun.Of("verify", "--model", Folder, "--backend", "cpu", "--device", "1")
            .FailsNaming("--device 1", "--backend cpu");
    }
}
