using MsResampler.Kernels.Device.Cuda;

namespace MsResampler.Kernels.Tests.Cuda;

/// <summary>Tests on a real device; skipped on machines without one.</summary>
internal sealed class CudaHardwareTests
{
    private const int CaseCount = 64;

    [OneTimeSetUp]
    public void RequireDevice()
    {
        Skip.If(MockDriver.IsPreferred && !MockDriver.IsEmulated,
            "This machine has no CUDA driver, or the mock replaces it.");
        bool isAvailable = CudaBackend.IsAvailable(out string? reason);
        Skip.If(!isAvailable, reason ?? "");
    }

    [Test]
    public void Tokens_agree_with_the_reference_and_are_equal_in_any_batch([Values(Precision.Float32,
        Precision.TensorFloat32, Precision.Float16, Precision.BFloat16)] Precision precision)
    {
        using (Assert.EnterMultipleScope())
        {
            for (int caseIndex = 0; caseIndex < CaseCount; caseIndex++)
                CudaModelCheck.Run(caseIndex, precision);
        }
    }

    [TestCase(Precision.Float32, DeviceElementType.Float32)]
    [TestCase(Precision.Float16, DeviceElementType.Float16)]
    [TestCase(Precision.BFloat16, DeviceElementType.BFloat16)]
    public void Device_tensors_have_the_same_bits_as_host_tensors(Precision precision, DeviceElementType type)
    {
        Skip.If(precision != Precision.Float32 && CudaBackend.Devices()[0].Architecture < 80,
            "The device has no tensor cores of sm_80 or later.");
        using TestModel model = new(Configs.Mixed with { VisionHiddenSize = 37, OutputSize = 29 });
        using Resampler resampler = Resampler.Load(model.Model, new ResamplerOptions
        {
            Backend = CudaBackend.ForPrimaryContext(0),
            Precision = precision,
        });
        PatchGrid[] grids = [new(24, 24), new(7, 31), new(1, 1)];
        float[] features = [.. grids.SelectMany((grid, image) => model.RandomFeatures(grid, image))];
        foreach (DeviceElementType featureType in (DeviceElementType[])[DeviceElementType.Float32, type])
        {
            foreach (DeviceElementType tokenType in (DeviceElementType[])[DeviceElementType.Float32, type])
                DeviceTensorCheck.Run(resampler, features, grids, featureType, tokenType);
        }
    }

    [TestCaseSource(typeof(StreamContract), nameof(StreamContract.Cases))]
    public void A_device_fulfils_the_stream_contract(object promise)
    {
        using CudaDevice device = CudaDevices.OpenFirst();
        ((Action<IDevice>)promise)(device);
    }

    [Test]
    public void Work_is_ordered_with_the_NULL_stream_and_timed()
    {
        using CudaDevice device = CudaDevice.InPrimaryContext(0);
        using IDeviceMemory memory = device.Allocate(8);
        using IDeviceStream first = device.CreateStream();
        using IDeviceStream second = device.CreateStream();
        using IDeviceTimer timer = first.CreateTimer()!;
        IDeviceKernel kernel = device.Load(StreamContract.Advance);
        StreamContract.Set(first, memory, 0, 0);
        timer.Start();
        for (int launch = 0; launch < 1000; launch++)
            StreamContract.Launch(first, kernel, memory, addend: 1);
        timer.Stop();
        first.Release(0);
        second.WaitFor(0);
        uint expected = Enumerable.Range(0, 1000).Aggregate(0u, (value, _) => unchecked((3 * value) + 1));
        Assert.That((uint)StreamContract.Get(second, memory).First, Is.EqualTo(expected));
        Assert.That(timer.GetMilliseconds(), Is.InRange(0.1, 1000), "a thousand launches of a few microseconds each");
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
