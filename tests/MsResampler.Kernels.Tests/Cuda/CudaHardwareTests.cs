using MsResampler.Kernels.Engine;
using MsResampler.Kernels.Engine.Cuda;
using NUnit.Framework;

namespace MsResampler.Kernels.Tests.Cuda;

/// <summary>A real device, on machines that have one.</summary>
internal sealed class CudaHardwareTests
{
    private const int CaseCount = 64;

    [OneTimeSetUp]
    public void RequireDevice()
    {
        if (MockDriver.IsPreferred)
            Assert.Ignore("this machine has no CUDA driver, or the mock was asked for in its place");
        if (!CudaBackend.IsAvailable(out string? reason))
            Assert.Ignore(reason);
    }

    [Test]
    public void Models_agree_with_the_reference_and_with_themselves_in_any_batch()
    {
        using (Assert.EnterMultipleScope())
        {
            for (int caseIndex = 0; caseIndex < CaseCount; caseIndex++)
                CudaModelCheck.Run(caseIndex);
        }
    }

    [Test]
    public void Copies_are_exact()
    {
        const int Count = (7 * CudaStaging.ByteCount) + 3;
        byte[] source = new byte[Count];
        new Random(1).NextBytes(source);
        byte[] expected = [.. source];
        byte[] result = new byte[Count];
        using CudaDevice device = CudaDevices.OpenFirst();
        using IDeviceMemory memory = device.Allocate(Count);
        using IDeviceStream stream = device.CreateStream();
        stream.Upload(source, memory);
        Array.Clear(source);
        stream.Download(memory, result);
        Assert.That(result.AsSpan().SequenceEqual(expected));
    }

    [Test]
    public void Out_of_memory_leaves_the_device_usable()
    {
        using CudaDevice device = CudaDevices.OpenFirst();
        Assert.That(() => device.Allocate(2 * device.Properties.MemoryBytes), Throws.TypeOf<DeviceException>()
            .With.Message.Contains("CUDA_ERROR_OUT_OF_MEMORY (2)")
            .And.Property(nameof(DeviceException.IsDeviceLost)).False);
        Assert.That(() => device.Allocate(1 << 20).Dispose(), Throws.Nothing);
    }
}
