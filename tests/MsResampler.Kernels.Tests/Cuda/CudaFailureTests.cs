using MsResampler.Kernels.Device.Cuda;

namespace MsResampler.Kernels.Tests.Cuda;

internal sealed class CudaFailureTests : CudaFixture
{
    private const int LaunchOutOfResources = 701;
    private const int IllegalAddress = 700;

    private static readonly string[] s_calls =
    [
        "cuDeviceGetCount", "cuDeviceGet", "cuDeviceGetName", "cuDeviceTotalMem", "cuDeviceGetAttribute",
        "cuDriverGetVersion", "cuCtxCreate", "cuMemAlloc", "cuMemAllocHost", "cuStreamCreate", "cuEventCreate",
        "cuModuleLoadDataEx", "cuModuleGetFunction", "cuFuncSetAttribute", "cuMemcpyHtoDAsync", "cuEventRecord",
        "cuEventSynchronize", "cuLaunchKernel", "cuStreamSynchronize", "cuMemcpyDtoHAsync", "cuMemcpyDtoDAsync",
        "cuStreamWaitEvent", "cuEventElapsedTime",
    ];

    [Test]
    public void A_failing_driver_call_is_named_and_leaves_no_objects(
        [ValueSource(nameof(s_calls))] string call, [Values] bool isPrimary)
    {
        call = CallOf(call, isPrimary);
        FailEachUse(nth =>
        {
            MockDriver.Fail(call, LaunchOutOfResources, nth);
            bool hasFailed = Attempt(() =>
            {
                using CudaDevice device = Open(isPrimary);
                bool isReached = Attempt(() => UseOnce(device), call);
                // A failure of this kind does not end the device.
                UseOnce(device);
                return isReached;
            }, call);
            AssertNothingIsLeft();
            return hasFailed;
        });
    }

    [Test]
    public void A_driver_call_that_ends_the_context_leaves_no_objects(
        [ValueSource(nameof(s_calls))] string call, [Values] bool isPrimary)
    {
        call = CallOf(call, isPrimary);
        FailEachUse(nth =>
        {
            MockDriver.Fail(call, IllegalAddress, nth, isSticky: true);
            bool hasFailed = Attempt(() =>
            {
                using CudaDevice device = Open(isPrimary);
                bool isReached = Attempt(() => UseOnce(device), call);
                if (isReached)
                {
                    Assert.That(() => UseOnce(device), Throws.TypeOf<DeviceException>()
                        .With.Property(nameof(DeviceException.IsDeviceLost)).True);
                }

                return isReached;
            }, call);
            Assert.That(MockDriver.LiveCount, Is.Zero);
            Assert.That(MockDriver.ViolationCount, Is.Zero, MockDriver.LastViolation);
            return hasFailed;
        });
        MockDriver.Reset();
    }

    [Test]
    public void Out_of_memory_states_the_sizes_and_the_device_stays_usable()
    {
        MockDriver.SetDevice(0, "Small", memoryBytes: 10_000);
        using CudaDevice device = new(0);
        using IDeviceMemory memory = device.Allocate(4_000);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => device.Allocate(6_001), Throws.TypeOf<DeviceException>().With.Message.EqualTo(
                "CUDA device 0 (Small): allocating 6,001 bytes (6,000 of 10,000 bytes are free): " +
                "cuMemAlloc failed with " +
                "CUDA_ERROR_OUT_OF_MEMORY (2), in words of error 2")
                .And.Property(nameof(DeviceException.IsDeviceLost)).False);
            Assert.That(device.GetFreeBytes(), Is.EqualTo(6_000));
            Assert.That(() => device.Allocate(6_000).Dispose(), Throws.Nothing);
        }
    }

    [Test]
    public void A_crashing_kernel_is_named_and_ends_the_device()
    {
        using (CudaDevice device = new(0))
        {
            using IDeviceMemory memory = device.Allocate(100);
            using IDeviceStream stream = device.CreateStream();
            stream.Launch(device.Load(Kernel), new LaunchSize(1, 1, 32), new byte[24]);
            MockDriver.Fail("cuStreamSynchronize", IllegalAddress, isSticky: true);
            using (Assert.EnterMultipleScope())
            {
                Assert.That(stream.Synchronize, Throws.TypeOf<DeviceException>().With.Message.StartsWith(
                    "CUDA device 0 (Mock GPU): waiting for a stream after 1 launch, the last of scale (set " +
                    "CUDA_LAUNCH_BLOCKING=1 in the environment to find the launch that fails): " +
                    "cuStreamSynchronize failed with CUDA_ERROR_ILLEGAL_ADDRESS (700)")
                    .And.Property(nameof(DeviceException.IsDeviceLost)).True);
                foreach (Action use in (Action[])[stream.Synchronize, () => device.Allocate(1),
                    () => device.CreateStream(), () => stream.Upload(new byte[1], memory)])
                {
                    Assert.That(use, Throws.TypeOf<DeviceException>()
                        .With.Message.StartsWith("the device failed earlier")
                        .And.Message.Contains("load them again").And.Message.Contains("the last of scale"));
                }
            }
        }

        Assert.That(MockDriver.LiveCount, Is.Zero);
        using (CudaDevice next = new(0))
            UseOnce(next);
        MockDriver.Reset();
    }

    [Test]
    public void A_download_reports_the_failure_of_an_earlier_launch()
    {
        using (CudaDevice device = new(0))
        {
            using IDeviceMemory memory = device.Allocate(100);
            using IDeviceStream stream = device.CreateStream();
            IDeviceKernel kernel = device.Load(Kernel);
            stream.Launch(kernel, new LaunchSize(1, 1, 32), new byte[24]);
            stream.Launch(kernel, new LaunchSize(1, 1, 32), new byte[24]);
            MockDriver.Fail("cuEventSynchronize", 719, isSticky: true);
            Assert.That(() => stream.Download(memory, new byte[100]), Throws.TypeOf<DeviceException>()
                .With.Message.Contains("after 2 launches, the last of scale")
                .And.Message.Contains("CUDA_ERROR_LAUNCH_FAILED (719)"));
        }

        Assert.That(MockDriver.LiveCount, Is.Zero);
        MockDriver.Reset();
    }

    [Test]
    public void Rejected_PTX_is_an_error_with_the_log_of_the_driver()
    {
        using CudaDevice device = new(0);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => device.Load(Kernel with { Name = "broken", Ptx = ".version 9.9" }),
                Throws.TypeOf<DeviceException>().With.Message.EqualTo("CUDA device 0 (Mock GPU): loading the PTX of " +
                    "broken; message of the driver: \"ptxas application ptx input, line 1; fatal : no entry " +
                    "function\": cuModuleLoadDataEx failed with CUDA_ERROR_INVALID_PTX (218), in words of error 218"));
            Assert.That(() => device.Load(Kernel with { EntryName = "another" }), Throws.TypeOf<DeviceException>()
                .With.Message.Contains("finding another in the PTX of scale"));
            Assert.That(() => UseOnce(device), Throws.Nothing);
        }
    }

    [Test]
    public void The_error_of_an_invalid_launch_states_its_size()
    {
        using CudaDevice device = new(0);
        using IDeviceStream stream = device.CreateStream();
        IDeviceKernel kernel = device.Load(Kernel);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => stream.Launch(kernel, new LaunchSize(7, 65_536, 64), new byte[24]),
                Throws.TypeOf<DeviceException>().With.Message.Contains(
                    "launching scale with 7x65536 blocks of 64 threads and 0 bytes of dynamic shared memory: " +
                    "cuLaunchKernel failed with CUDA_ERROR_INVALID_VALUE (1)"));
            Assert.That(() => stream.Launch(kernel, new LaunchSize(7, 1, 64, 200_000), new byte[24]),
                Throws.TypeOf<DeviceException>().With.Message.Contains(
                    "permitting 200000 bytes of dynamic shared memory for scale: cuFuncSetAttribute failed"));
            Assert.That(() => UseOnce(device), Throws.Nothing);
        }
    }

    private static CudaDevice Open(bool isPrimary) => isPrimary ? CudaDevice.InPrimaryContext(0) : new CudaDevice(0);

    private static string CallOf(string call, bool isPrimary)
        => isPrimary && call == "cuCtxCreate" ? "cuDevicePrimaryCtxRetain" : call;

    /// <summary>Whether the action fails; an error must name the call.</summary>
    private static bool Attempt(Action action, string call) => Attempt(() =>
    {
        action();
        return false;
    }, call);

    private static bool Attempt(Func<bool> action, string call)
    {
        try
        {
            return action();
        }
        catch (DeviceException exception)
        {
            CheckMessage(exception, call);
            return true;
        }
    }

    private static void CheckMessage(DeviceException exception, string call)
        => Assert.That(exception.Message, Does.Match($": {call} failed with CUDA_ERROR_[A-Z_]+ \\(70[01]\\)"));

    /// <summary>Makes every kind of driver call, each at least twice where possible.</summary>
    private static void UseOnce(CudaDevice device)
    {
        byte[] content = Bytes(3 * CudaStaging.ByteCount, 1);
        byte[] result = new byte[content.Length];
        using IDeviceMemory first = device.Allocate(content.Length);
        using IDeviceMemory second = device.Allocate(content.Length);
        using IDeviceStream stream = device.CreateStream();
        using IDeviceTimer timer = stream.CreateTimer()!;
        stream.Upload(content, first);
        timer.Start();
        stream.Launch(device.Load(Kernel), new LaunchSize(1, 1, 32, 60_000), new byte[24]);
        timer.Stop();
        Assert.That(timer.GetMilliseconds(), Is.EqualTo(1));
        stream.WaitFor(0);
        stream.Copy(first.Address, second.Address, content.Length);
        stream.Copy(second.Address, first.Address, 100);
        stream.Release(0);
        stream.Synchronize();
        stream.Download(first, result);
        Assert.That(result.AsSpan().SequenceEqual(content));
    }
}
