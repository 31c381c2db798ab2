namespace MsResampler.Kernels.Tests.Cuda;

internal sealed class DevicesCommandTests : CudaFixture
{
    [Test]
    public void Devices_are_rows_of_a_table()
    {
        MockDriver.SetDriver(12_080, 2);
        MockDriver.SetDevice(0, "Old", architecture: 52, multiprocessorCount: 24, memoryBytes: 12_000_000_000);
        MockDriver.SetDevice(1, "Good", architecture: 90, multiprocessorCount: 132, memoryBytes: 85_000_000_000);
        string[] lines = CliRun.Of("devices").Succeeds().Output.Split('\n');
        Assert.That(lines[1..], Is.EqualTo(new[]
        {
            "cuda: the driver supports CUDA 12.8",
            "gpu  name  architecture  multiprocessors   memory     free  uuid                                    " +
                "  usable",
            "0    Old   sm_52                      24  12.0 GB        -  GPU-00000000-0000-0000-0000-000000000001  " +
                "no: its architecture is sm_52; sm_60 or newer is needed",
            "1    Good  sm_90                     132  85.0 GB  85.0 GB  GPU-00000000-0000-0000-0000-000000000002  yes",
            "",
        }));
    }

    [Test]
    public void A_driver_without_devices_is_reported()
    {
        MockDriver.SetDriver(12_080, 0);
        Assert.That(CliRun.Of("devices").Succeeds().Output, Does.Contain("cuda: the CUDA driver shows no device"));
    }
}
