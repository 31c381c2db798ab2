using MsResampler.Kernels.Device.Cuda;

namespace MsResampler.Kernels.Tests.Cuda;

/// <summary>Whole models on the mock of a Hopper device. The emulator behind it reports a kernel of a graph that uses
/// memory before it has waited for the kernel before it.</summary>
internal sealed class CudaHopperModelTests : CudaModelFixture
{
    [SetUp]
    public void Attach()
    {
        MockDriver.SetDevice(0, "Mock", architecture: 90, multiprocessorCount: 4);
        AttachEmulator();
    }

    [Test]
    public void A_graph_has_dependent_launches_after_its_first_and_gives_the_same_tokens(
        [Values(Precision.Float32, Precision.TensorFloat32, Precision.Float16, Precision.BFloat16)]
        Precision precision)
    {
        using Resampler resampler = Resampler.Load(Folder, Options with { Precision = precision });
        float[] expected = Run(resampler);
        Assert.That(MockDriver.Log("cuLaunchKernelEx"), Is.Empty);
        int logged = MockDriver.Log().Length;
        for (int call = 1; call < 4; call++)
            Assert.That(Run(resampler), Is.EqualTo(expected), $"call {call}");
        string[] launches = [.. MockDriver.Log()[logged..].Select(line => line.Split(' ')[0])
            .Where(call => call.StartsWith("cuLaunchKernel", StringComparison.Ordinal))];
        Assert.That(launches, Has.Length.GreaterThan(5));
        Assert.That(launches[0], Is.EqualTo("cuLaunchKernel"));
        Assert.That(launches[1..], Is.All.EqualTo("cuLaunchKernelEx"));
        Assert.That(MockDriver.Log("cuGraphLaunch"), Has.Length.EqualTo(3));
    }

    [Test]
    public void Without_dependent_launches_the_tokens_are_the_same(
        [Values("cuLaunchKernelEx", "environment")] string off)
    {
        float[] expected;
        using (Resampler resampler = Resampler.Load(Folder, Options with { Precision = Precision.Float16 }))
            expected = Run(resampler);
        if (off == "environment")
            Environment.SetEnvironmentVariable(CudaDependentLaunch.Variable, "0");
        else
            MockDriver.Fail(off, 801, nth: 3);
        try
        {
            using Resampler resampler = Resampler.Load(Folder, Options with { Precision = Precision.Float16 });
            for (int call = 0; call < 3; call++)
                Assert.That(Run(resampler), Is.EqualTo(expected), $"call {call}");
        }
        finally
        {
            Environment.SetEnvironmentVariable(CudaDependentLaunch.Variable, null);
        }

        Assert.That(MockDriver.Log("cuGraphLaunch"), Has.Length.EqualTo(2));
        Assert.That(MockDriver.Log("cuLaunchKernelEx"), Has.Length.EqualTo(off == "environment" ? 0 : 3));
    }

    [Test]
    public void With_an_older_driver_the_kernels_are_those_of_sm_80()
    {
        MockDriver.SetDriver(11_080, 1);
        using Resampler resampler = Resampler.Load(Folder, Options with { Precision = Precision.Float16 });
        for (int call = 0; call < 3; call++)
            Run(resampler);
        string[] names = [.. MockDriver.Log("cuModuleGetFunction")];
        Assert.That(names, Has.Some.Contains("GemmMma_").And.None.Contains("GemmWgmma_"));
        Assert.That(MockDriver.Log("cuLaunchKernelEx"), Is.Empty);
        Assert.That(MockDriver.Log("cuGraphLaunch"), Has.Length.EqualTo(2));
        using Resampler newer = LoadWithNewerDriver();
        Run(newer);
        Assert.That(MockDriver.Log("cuModuleGetFunction")[names.Length..],
            Has.None.Contains("GemmMma_").And.Some.Contains("GemmWgmma_"));
    }

    private Resampler LoadWithNewerDriver()
    {
        MockDriver.SetDriver(12_000, 1);
        return Resampler.Load(Folder, Options with { Precision = Precision.Float16 });
    }
}
