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
                3, "GPU-00000000-0000-0000-0000-000000000004", "Good", 90, 132, 1L << 36, 1L << 36, "12.8", null)));
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
    public void A_device_is_chosen_by_its_index_or_the_start_of_its_UUID(
        [Values("1", "GPU-0a0b0c0d-0102-0304-0506-070809101112", "gpu-0A0B", "MIG-0a")] string device)
    {
        SetThree();
        bool isInstance = device.StartsWith("MIG", StringComparison.Ordinal);
        int index = CudaDevices.Find(device);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(index, Is.EqualTo(isInstance ? 2 : 1));
            Assert.That(CudaBackend.Devices()[index].Uuid,
                Does.StartWith(isInstance ? "MIG-0a0b0c0d-" : "GPU-0a0b0c0d-"));
        }
    }

    [TestCase("GPU-", "found 2 devices")]
    [TestCase("GPU-0a0b0c0e", "found 0 devices")]
    [TestCase("-1", "found 0 devices")]
    [TestCase("3", "there is no CUDA device 3; there are 3")]
    public void A_choice_of_no_or_several_devices_is_an_error_that_lists_them(string device, string found)
    {
        SetThree();
        Assert.That(() => new CudaDevice(CudaDevices.Find(device)), Throws.TypeOf<DeviceException>()
            .With.Message.Contains(found).And.Message.Contains(device));
    }

    [Test]
    public void A_device_index_out_of_range_is_an_error([Values(1, int.MaxValue)] int index)
        => Assert.That(() => new CudaDevice(index), Throws.TypeOf<DeviceException>()
            .With.Message.EqualTo($"there is no CUDA device {index}; there is 1, counted from 0"));

    [TestCase(100, "nvidia-smi -L")]
    [TestCase(221, "NVIDIA_DRIVER_CAPABILITIES=compute,utility")]
    [TestCase(222, "update NVIDIA's driver")]
    [TestCase(802, "fabric manager")]
    [TestCase(803, "restart")]
    [TestCase(804, "LD_LIBRARY_PATH")]
    [TestCase(999, "/dev/nvidia*")]
    public void An_error_of_the_installation_says_what_to_do(int code, string hint)
    {
        MockDriver.Fail("cuCtxCreate", code);
        Assert.That(() => new CudaDevice(0), Throws.TypeOf<DeviceException>()
            .With.Message.Contains($"({code})").And.Message.Contains(hint));
    }

    [Test]
    public void A_hidden_device_is_explained_by_the_variable_that_hides_it()
    {
        const string Variable = "CUDA_VISIBLE_DEVICES";
        string? before = Environment.GetEnvironmentVariable(Variable);
        Environment.SetEnvironmentVariable(Variable, "7");
        try
        {
            MockDriver.SetDriver(12_080, 0);
            Assert.That(() => new CudaDevice(0), Throws.TypeOf<DeviceException>()
                .With.Message.Contains("CUDA_VISIBLE_DEVICES is '7'").And.Message.Contains("nvidia-smi -L"));
            MockDriver.SetDriver(12_080, 1);
            Assert.That(() => new CudaDevice(1), Throws.TypeOf<DeviceException>()
                .With.Message.Contains("CUDA_VISIBLE_DEVICES is '7'"));
        }
        finally
        {
            Environment.SetEnvironmentVariable(Variable, before);
        }
    }

    /// <summary>A device with a UUID of zeros, one with 0a0b…, and an instance with almost the same UUID.</summary>
    private static void SetThree()
    {
        byte[] uuid = Convert.FromHexString("0a0b0c0d010203040506070809101112");
        MockDriver.SetDriver(12_080, 3);
        MockDriver.SetDevice(1, "Second");
        MockDriver.SetUuid(1, uuid);
        MockDriver.SetDevice(2, "NVIDIA A100 MIG 1g.5gb");
        uuid[15]++;
        MockDriver.SetUuid(2, uuid);
    }
}
