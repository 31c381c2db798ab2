using MsResampler.Kernels.Device.Cuda;

namespace MsResampler.Kernels.Tests.Cuda;

internal sealed class CudaProbeTests : CudaFixture
{
    [Test]
    public void A_probe_reports_what_the_driver_makes_of_a_kernel()
    {
        MockDriver.SetDevice(0, "Mock", architecture: 89);
        MockDriver.SetJit(milliseconds: 20);
        using CudaDevice device = new(0);
        CudaProbe probe = device.Probe(Kernel, blockSize: 128, dynamicSharedBytes: 50_000);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(probe, Is.EqualTo(new CudaProbe("scale", MaxThreads: 1024, BinaryVersion: 89,
                ResidentBlocks: 2, Log: "ptxas info    : compiled for 'sm_89'")
            {
                JitMilliseconds = probe.JitMilliseconds,
                Registers = probe.Registers,
                Cubin = probe.Cubin,
            }));
            Assert.That(probe.JitMilliseconds, Is.GreaterThanOrEqualTo(20));
        }
    }

    [TestCase("cuLinkCreate")]
    [TestCase("cuLinkAddData")]
    [TestCase("cuLinkComplete")]
    [TestCase("cuModuleLoadDataEx")]
    [TestCase("cuModuleGetFunction")]
    [TestCase("cuFuncSetAttribute")]
    [TestCase("cuFuncGetAttribute")]
    [TestCase("cuOccupancyMaxActiveBlocksPerMultiprocessor")]
    public void A_failure_is_part_of_the_probe_and_does_not_end_the_device(string call)
    {
        using CudaDevice device = new(0);
        MockDriver.Fail(call, 701);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(device.Probe(Kernel, 128, 1).Failure, Does.Contain($"{call} failed with"));
            Assert.That(device.Probe(Kernel, 128, 1).Failure, Is.Null);
        }
    }

    [Test]
    public void A_rejected_text_and_a_lost_device_are_failures_of_the_probe()
    {
        using (CudaDevice device = new(0))
        {
            CudaProbe rejected = device.Probe(Kernel with { Ptx = ".version 9.9" }, 128);
            MockDriver.Fail("cuLinkAddData", 700, isSticky: true);
            using (Assert.EnterMultipleScope())
            {
                Assert.That(rejected.Log, Does.Contain("no entry function"));
                Assert.That(rejected.Failure, Does.Contain("CUDA_ERROR_INVALID_PTX (218)"));
                Assert.That(device.Probe(Kernel, 128).Failure, Does.Contain("(700)"));
                Assert.That(device.Probe(Kernel, 128).Failure, Does.StartWith("the device failed earlier"));
            }
        }

        MockDriver.Reset();
    }
}
