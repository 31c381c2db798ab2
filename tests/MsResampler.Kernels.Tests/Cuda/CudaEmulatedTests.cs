namespace MsResampler.Kernels.Tests.Cuda;

/// <summary>Whole models through the driver. The mock passes memory operations and launches to the PTX
/// emulator.</summary>
internal sealed class CudaEmulatedTests : CudaModelFixture
{
    [SetUp]
    public void Attach() => AttachEmulator();

    [TearDown]
    public void KernelsRan() => Assert.That(Emulator.LaunchCount, Is.Positive);

    [Test]
    public void Tokens_agree_with_the_reference_and_are_equal_in_any_batch([Range(0, 3)] int caseIndex,
        [Values(Precision.Float32, Precision.TensorFloat32, Precision.Float16, Precision.BFloat16)] Precision precision)
        => CudaModelCheck.Run(caseIndex, precision);

    [Test]
    public void Concurrent_calls_return_the_same_bits()
    {
        using Resampler resampler = Resampler.Load(Folder, Options);
        float[] alone = Run(resampler);
        float[][] together = new float[6][];
        Thread[] threads = [.. Enumerable.Range(0, together.Length)
            .Select(index => new Thread(() => together[index] = Run(resampler)))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        Assert.That(together, Is.All.EqualTo(alone));
    }

    [Test]
    public void The_command_computes_and_verifies_on_the_device([Values("cuda", "auto")] string backend)
        => Assert.That(CliRun.Of("verify", "--model", Folder, "--backend", backend).Succeeds().Output,
            Does.Contain("Mock GPU (sm_80)").And.Contain("same bits").And.Not.Contain("FAILED"));
}
