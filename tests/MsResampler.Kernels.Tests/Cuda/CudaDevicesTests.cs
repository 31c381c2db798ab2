using MsResampler.Kernels.Device.Cuda;

namespace MsResampler.Kernels.Tests.Cuda;

internal sealed class CudaDevicesTests : CudaFixture
{
    [Test]
    public void Devices_are_listed_with_the_reason_why_one_is_unusable()
    {
        MockDriver.SetDriver(12_080, 5);
        MockDriver.SetDevice(0, "Old", architecture: 52);
        MockDriver.SetDevice(1, "Forbidden", computeMode: 2);
        MockDriver.SetDevice(2, "Taken", computeMode: 3);
        MockDriver.SetDevice(3, "Good", architecture: 90, multiprocessorCount: 132, memoryBytes: 1L << 36);
        MockDriver.SetDevice(4, "Shared", computeMode: 3);
        MockDriver.Fail("cuCtxCreate", 46);
        IReadOnlyList<CudaDeviceInfo> devices = CudaBackend.Devices();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(devices.Select(device => device.Name),
                Is.EqualTo(new[] { "Old", "Forbidden", "Taken", "Good", "Shared" }));
            Assert.That(devices[0].UnusableBecause, Does.Contain("sm_52").And.Contain("sm_60"));
            Assert.That(devices[1].UnusableBecause, Does.Contain("prohibited"));
            Assert.That(devices[2].UnusableBecause, Does.Contain("exclusive mode")
                .And.Contain("CUDA_ERROR_DEVICE_UNAVAILABLE (46)"));
            Assert.That(devices[3], Is.EqualTo(new CudaDeviceInfo(
                3, "Good", 90, 132, 1L << 36, 1L << 36, "12.8", null)));
            Assert.That(devices[4].UnusableBecause, Is.Null);
            Assert.That(devices.Take(3).Select(device => device.FreeBytes), Is.All.Null);
        }
    }

    [Test]
    public void The_first_usable_device_is_opened()
    {
        MockDriver.SetDriver(12_080, 3);
        MockDriver.SetDevice(0, "Old", architecture: 52);
        MockDriver.SetDevice(1, "Good");
        MockDriver.SetDevice(2, "Better");
        using (CudaDevice device = CudaDevices.OpenFirst())
            Assert.That(device.Properties.Name, Is.EqualTo("Good"));
        Assert.That(CudaBackend.IsAvailable(out string? reason), Is.True, reason);
    }

    [Test]
    public void Without_a_usable_device_the_reason_names_each_device()
    {
        MockDriver.SetDriver(12_080, 2);
        MockDriver.SetDevice(0, "Old", architecture: 52);
        MockDriver.SetDevice(1, "Forbidden", computeMode: 2);
        Assert.That(CudaBackend.IsAvailable(out string? reason), Is.False);
        Assert.That(reason, Does.Contain("0 (Old): its architecture is sm_52")
            .And.Contain("1 (Forbidden): its compute"));

        MockDriver.SetDriver(10_020, 1);
        MockDriver.SetDevice(0, "Good");
        Assert.That(CudaBackend.IsAvailable(out reason), Is.False);
        Assert.That(reason, Does.Contain("CUDA 10.2; 11.0 or newer"));

        MockDriver.SetDriver(12_080, 0);
        Assert.That(CudaBackend.IsAvailable(out reason), Is.False);
        Assert.That(reason, Does.StartWith("the CUDA driver shows no device"));
        Assert.That(CudaBackend.Devices(), Is.Empty);
    }

    [Test]
    public void A_device_index_out_of_range_is_an_error([Values(1, int.MaxValue)] int index)
        => Assert.That(() => new CudaDevice(index), Throws.TypeOf<DeviceException>()
            .With.Message.EqualTo($"there is no CUDA device {index}; there is 1, counted from 0"));
}
