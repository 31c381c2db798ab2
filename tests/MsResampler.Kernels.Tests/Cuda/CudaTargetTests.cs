using MsResampler.Kernels.Device.Cuda;

namespace MsResampler.Kernels.Tests.Cuda;

/// <summary>What kernels are compiled for, by device and driver.</summary>
internal sealed class CudaTargetTests : CudaFixture
{
    [TestCase(90, 12_000, "sm_90a")]
    [TestCase(90, 12_080, "sm_90a")]
    [TestCase(90, 11_080, "sm_90", Description = "the driver does not know sm_90a")]
    [TestCase(80, 12_080, "sm_80")]
    [TestCase(89, 12_080, "sm_89")]
    [TestCase(100, 13_000, "sm_100")]
    [TestCase(120, 13_000, "sm_120")]
    public void A_device_is_Hopper_if_it_is_of_sm_90_and_its_driver_of_CUDA_12(int architecture, int driver,
        string expected)
    {
        MockDriver.SetDriver(driver, 1);
        MockDriver.SetDevice(0, "Mock", architecture);
        using CudaDevice device = new(0);
        Assert.That($"{device.Properties.Target}", Is.EqualTo(expected));
        Assert.That(device.Properties.IsHopper, Is.EqualTo(expected.EndsWith('a')));
    }

    [TestCase(227 << 10, true)]
    [TestCase((227 << 10) - 1, false)]
    public void A_device_with_less_shared_memory_than_every_Hopper_is_none(int sharedBytes, bool isHopper)
    {
        MockDriver.SetDevice(0, "Mock", 90);
        MockDriver.SetShared(0, sharedBytes);
        using CudaDevice device = new(0);
        Assert.That((device.Properties.IsHopper, device.Properties.MaxSharedBytes),
            Is.EqualTo((isHopper, sharedBytes)));
    }

    /// <summary>The driver would otherwise choose the share of the first-level cache.</summary>
    [TestCase(24 << 10, 0)]
    [TestCase((24 << 10) + 1, 1)]
    [TestCase(60 << 10, 1)]
    public void Dynamic_shared_memory_of_two_blocks_is_asked_for_beyond_48_KiB(int sharedBytes, int count)
    {
        using CudaDevice device = new(0);
        using IDeviceStream stream = device.CreateStream();
        IDeviceKernel kernel = device.Load(Kernel with { BlockCount = 2 });
        for (int launch = 0; launch < 2; launch++)
            stream.Launch(kernel, new LaunchSize(1, 1, 32, sharedBytes), new byte[24]);
        stream.Synchronize();
        Assert.That(MockDriver.Log("cuFuncSetAttribute"), Has.Exactly(count)
            .EqualTo($"cuFuncSetAttribute name=scale attribute={CudaNative.PreferredSharedCarveOut} value=100"));
    }
}
