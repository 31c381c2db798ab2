namespace MsResampler.Kernels.Tests.Devices;

/// <summary>The devices of the tests fulfil the stream contract, on which the engine relies.</summary>
public class EmulatorStreamTests
{
    [TestCaseSource(typeof(StreamContract), nameof(StreamContract.Cases))]
    public void The_emulator_fulfils_the_stream_contract(object promise)
    {
        using EmulatorDevice device = new();
        ((Action<IDevice>)promise)(device);
    }

    [TestCaseSource(typeof(StreamContract), nameof(StreamContract.Cases))]
    public void An_observed_device_fulfils_the_stream_contract(object promise)
    {
        using ObservedDevice device = new(new EmulatorDevice());
        ((Action<IDevice>)promise)(device);
    }

    [Test]
    public void An_observed_device_reports_captures_but_not_recorded_work()
    {
        using ObservedDevice device = new(new EmulatorDevice());
        using IDeviceMemory memory = device.Allocate(8);
        using IDeviceStream stream = device.CreateStream();
        IDeviceKernel kernel = device.Load(StreamContract.Advance);
        StreamContract.Set(stream, memory, 1, 0);
        device.FailAt(1);
        IDeviceGraph graph = stream.Capture(() => StreamContract.Launch(stream, kernel, memory, addend: 1))!;
        Assert.That(stream.TryLaunch(graph), Is.True);
        Assert.That(device.Counts, Is.EquivalentTo(new Dictionary<string, int>
        {
            ["allocate"] = 1,
            ["upload"] = 1,
            ["capture"] = 1,
            ["replay"] = 1,
        }));

        device.Before = _ => throw new DeviceException("no");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(stream.TryLaunch(graph), Is.False);
            Assert.That(stream.Capture(() => { }), Is.Null);
        }
    }

    [Test]
    public void A_device_without_graph_support_returns_no_graph()
    {
        using EmulatorDevice device = new() { HasGraphs = false };
        using IDeviceStream stream = device.CreateStream();
        Assert.That(stream.Capture(() => Assert.Fail("nothing is to be recorded")), Is.Null);
    }
}
