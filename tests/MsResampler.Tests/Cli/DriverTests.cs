namespace MsResampler.Tests.Cli;

/// <summary>Commands on a machine without a CUDA driver. Each runs in a separate process, because a process searches
/// for the driver once.</summary>
internal sealed class DriverTests : CliFixture
{
    private const string Variable = "MSRESAMPLER_LIBCUDA";

    [TestCase("/none/libcuda.so.1", "cuda: no CUDA driver: /none/libcuda.so.1 cannot be loaded")]
    [TestCase("libc.so.6", "cuda: libc.so.6 is not a CUDA driver")]
    public void Devices_states_why_there_is_no_GPU_and_succeeds(string library, string reason)
    {
        Skip.If(!OperatingSystem.IsLinux(), "libc.so.6 is a library of Linux.");
        string[] lines = CliRun.OfProcess([(Variable, library)], "devices").Succeeds().Output.Split('\n');
        Assert.That(lines[0], Does.Match("^cpu: (avx512|avx2|vector128|scalar), [0-9]+ processors?$"));
        Assert.That(lines[1], Does.StartWith(reason));
    }

    [Test]
    public void Without_a_GPU_auto_uses_the_CPU_and_cuda_is_an_error()
    {
        string features = WriteFeatures("driver.safetensors",
            ("features", [2, 2, ChannelCount], Values(4 * ChannelCount, 1)));
        string[] arguments = ["run", "--model", Model, "--features", features, "--out", In("driver.npy"), "--backend"];
        Assert.That(CliRun.OfProcess([(Variable, "/none/libcuda.so")], [.. arguments, "auto"]).Succeeds().Output,
            Does.Contain("; cpu, "));
        CliRun.OfProcess([(Variable, "/none/libcuda.so")], [.. arguments, "cuda"])
            .FailsNaming("--backend cuda: no CUDA driver", "/none/libcuda.so", "msresampler devices", "--backend cpu");
    }
}
