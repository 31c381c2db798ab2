using ILGPU;
using ILGPU.Runtime.Cuda;
using MsResampler.Kernels.Device.Cuda;
using CudaDevice = MsResampler.Kernels.Device.Cuda.CudaDevice;

namespace MsResampler.Kernels.Tests.Cuda;

/// <summary>Contexts that the process shares with other users of CUDA.</summary>
internal sealed class CudaContextTests : CudaModelFixture
{
    private const int IllegalAddress = 700;

    [SetUp]
    public void Attach() => AttachEmulator();

    [Test]
    public void Primary_context_memory_and_streams_work_only_in_that_context()
    {
        using CudaCaller caller = new();
        ulong address = caller.Allocate(4);
        using (CudaDevice device = CudaDevice.InPrimaryContext(0))
        {
            using IDeviceMemory memory = device.Allocate(8);
            using IDeviceStream stream = device.CreateStream();
            caller.Write(address, BitConverter.GetBytes(20));
            stream.WaitFor(caller.Stream);
            stream.Copy(address, memory.Address, 4);
            StreamContract.Launch(stream, device.Load(StreamContract.Advance), memory, addend: 2);
            stream.Copy(memory.Address, address, 4);
            stream.Release(caller.Stream);
            Assert.That(BitConverter.ToInt32(caller.Read(address, 4)), Is.EqualTo(62));
        }

        using CudaDevice other = new(0);
        using IDeviceMemory target = other.Allocate(4);
        using IDeviceStream otherStream = other.CreateStream();
        Assert.That(() => otherStream.Copy(address, target.Address, 4),
            Throws.TypeOf<DeviceException>().With.Message.Contains("cuMemcpyDtoDAsync failed with"));
    }

    [Test]
    public void The_primary_context_is_retained_while_a_model_is_loaded()
    {
        Resampler first = Resampler.Load(Folder, Primary());
        Resampler second = Resampler.Load(Folder, Primary());
        first.Dispose();
        Assert.That(Run(second), Has.Some.Not.Zero);
        second.Dispose();
        second.Dispose();
        Assert.That(MockDriver.Log("cuDevicePrimaryCtxRelease"), Is.EqualTo(new[]
        {
            "cuDevicePrimaryCtxRelease retained=1",
            "cuDevicePrimaryCtxRelease left=0",
        }));
        Assert.That(MockDriver.Log("cuCtxCreate"), Is.Empty);
    }

    [Test]
    public void Undisposed_objects_in_the_primary_context_are_finalised()
    {
        using CudaCaller caller = new();
        int liveCount = MockDriver.LiveCount;
        Leak();
        for (int round = 0; round < 10 && MockDriver.LiveCount > liveCount; round++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        Assert.That(MockDriver.LiveCount, Is.EqualTo(liveCount));

        [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
        void Leak()
        {
            CudaDevice device = CudaDevice.InPrimaryContext(0);
            device.Allocate(100);
            IDeviceStream stream = device.CreateStream();
            stream.Capture(() => { });
            stream.WaitFor(caller.Stream);
            Assert.That(MockDriver.LiveCount, Is.GreaterThan(liveCount));
        }
    }

    [Test]
    public void An_unavailable_primary_context_is_an_error_with_the_reason()
    {
        MockDriver.SetDevice(0, "Shared", computeMode: 3);
        MockDriver.Fail("cuDevicePrimaryCtxRetain", 46);
        Assert.That(() => Resampler.Load(Folder, Primary()), Throws.TypeOf<DeviceException>().With.Message.EqualTo(
            "CUDA device 0 (Shared): the primary context (the device is in exclusive mode; another process may have " +
            "it): cuDevicePrimaryCtxRetain failed with CUDA_ERROR_DEVICE_UNAVAILABLE (46), in words of error 46"));
        Assert.That(() => Resampler.Load(Folder, new ResamplerOptions { Backend = CudaBackend.ForPrimaryContext(1) }),
            Throws.TypeOf<DeviceException>().With.Message.StartsWith("there is no CUDA device 1"));
        Assert.That(() => CudaBackend.ForPrimaryContext(-1), Throws.TypeOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void The_error_of_a_lost_primary_context_asks_for_a_new_process()
    {
        using (Resampler resampler = Resampler.Load(Folder, Primary()))
        {
            MockDriver.Fail("cuEventSynchronize", IllegalAddress, isSticky: true);
            Assert.That(() => Run(resampler), Throws.TypeOf<DeviceException>()
                .With.Message.Contains("restart the process")
                .And.Property(nameof(DeviceException.IsDeviceLost)).True);
        }

        Assert.That(MockDriver.LiveCount, Is.Zero);
        MockDriver.Reset();
    }

    [Test]
    public void Tokens_are_the_same_in_every_context()
    {
        float[] expected;
        using (Resampler resampler = Resampler.Load(Folder, Options))
            expected = Run(resampler);
        using (Resampler resampler = Resampler.Load(Folder, Primary()))
            Assert.That(Run(resampler), Is.EqualTo(expected));
        WithAccelerator(accelerator =>
        {
            using Resampler resampler = Resampler.Load(Folder, Of(accelerator));
            Assert.That(Run(resampler), Is.EqualTo(expected));
            Assert.That(MockDriver.CurrentContext, Is.EqualTo((ulong)accelerator.NativePtr),
                "the context of the accelerator is not current any more");
        });
    }

    [Test]
    public void Accelerator_memory_works_for_its_models_and_outlives_them() => WithAccelerator(accelerator =>
    {
        ulong address;
        using (CudaDevice owner = CudaDevice.Of(accelerator))
        {
            Assert.That(owner.Properties.Name, Is.EqualTo("Mock GPU"));
            CudaLibrary.Api.AllocateMemory(out nint memory, 8);
            address = (ulong)memory;
            Resampler.Load(Folder, Of(accelerator)).Dispose();
            using IDeviceStream stream = owner.CreateStream();
            using IDeviceMemory own = owner.Allocate(8);
            StreamContract.Set(stream, own, 5, 6);
            stream.Copy(own.Address, address, 8);
            StreamContract.Set(stream, own, 0, 0);
            stream.Copy(address, own.Address, 8);
            Assert.That(StreamContract.Get(stream, own), Is.EqualTo((5, 6)));
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(accelerator.IsDisposed, Is.False);
            Assert.That(MockDriver.Log("cuCtxDestroy"), Is.Empty);
            Assert.That(CudaLibrary.Api.FreeMemory((nint)address), Is.EqualTo(CudaError.CUDA_SUCCESS));
        }
    });

    [Test]
    public void An_accelerator_disposed_before_its_model_is_a_lost_device()
    {
        CudaDevice device = null!;
        IDeviceMemory memory = null!;
        IDeviceStream stream = null!;
        CudaAccelerator disposed = null!;
        WithAccelerator(accelerator =>
        {
            disposed = accelerator;
            device = CudaDevice.Of(accelerator);
            memory = device.Allocate(8);
            stream = device.CreateStream();
        }, leftCount: 6);
        foreach (Action use in (Action[])[() => device.Allocate(1), stream.Synchronize])
        {
            Assert.That(use, Throws.TypeOf<DeviceException>()
                .With.Message.Contains("accelerator whose context it uses was disposed")
                .And.Property(nameof(DeviceException.IsDeviceLost)).True);
        }

        Assert.That(() => Resampler.Load(Folder, Of(disposed)), Throws.TypeOf<ObjectDisposedException>()
            .With.Property(nameof(ObjectDisposedException.ObjectName)).EqualTo(typeof(CudaAccelerator).FullName));
        memory.Dispose();
        stream.Dispose();
        device.Dispose();
        Assert.That(MockDriver.ViolationCount, Is.Zero, MockDriver.LastViolation);
        MockDriver.Reset();
    }

    private static ResamplerOptions Primary() => new() { Backend = CudaBackend.ForPrimaryContext(0) };

    private static ResamplerOptions Of(CudaAccelerator accelerator)
        => new() { Backend = CudaBackend.ForAccelerator(accelerator) };

    private static void WithAccelerator(Action<CudaAccelerator> action, int leftCount = 0)
    {
        MockDriver.ServeIlgpu();
        using Context context = Context.Create(builder => builder.Cuda());
        using (CudaAccelerator accelerator = context.CreateCudaAccelerator(0))
            action(accelerator);
        Assert.That(MockDriver.Log("cuCtxDestroy"), Has.Some.EqualTo($"cuCtxDestroy left={leftCount}"));
    }
}
