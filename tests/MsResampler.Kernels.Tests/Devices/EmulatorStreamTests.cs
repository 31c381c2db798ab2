using PtxEmulator;

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

    [Test]
    public void Of_a_recording_on_Hopper_launches_after_launches_are_dependent_if_their_kernel_waits(
        [Values] bool isHopper)
    {
        using EmulatorDevice device = new(architecture: 90, isHopper: isHopper);
        using IDeviceMemory memory = device.Allocate(8);
        using IDeviceStream stream = device.CreateStream();
        IDeviceKernel waiting = device.Load(StreamContract.AdvanceInOrder);
        IDeviceKernel other = device.Load(StreamContract.Advance);
        StreamContract.Set(stream, memory, 1, 0);
        using IDeviceGraph graph = stream.Capture(() =>
        {
            foreach (IDeviceKernel kernel in (IDeviceKernel[])[waiting, waiting, other, waiting])
                StreamContract.Launch(stream, kernel, memory, addend: 1);
            stream.Copy(memory.Address, memory.Address + 4, 4);
            StreamContract.Launch(stream, waiting, memory, addend: 1);
            StreamContract.Launch(stream, waiting, memory, addend: 1);
            stream.Clear(memory.Address + 4, 4);
            StreamContract.Launch(stream, waiting, memory, addend: 1);
        })!;
        Assert.That(stream.TryLaunch(graph), Is.True);
        Assert.That(device.DependentLaunchCount, Is.EqualTo(isHopper ? 3 : 0), "the second, fourth and sixth");
        StreamContract.Launch(stream, waiting, memory, addend: 1);
        StreamContract.Launch(stream, waiting, memory, addend: 1);
        Assert.That(device.DependentLaunchCount, Is.EqualTo(isHopper ? 3 : 0), "only recordings have them");
        Assert.That(StreamContract.Get(stream, memory).First, Is.EqualTo(29524), "x ← 3·x + 1, nine times");
    }

    [Test]
    public void A_kernel_that_reads_before_it_waits_is_caught_in_a_graph()
    {
        CompiledKernel late = StreamContract.AdvanceInOrder with
        {
            Ptx = StreamContract.AdvanceInOrder.Ptx.Replace("\tgriddepcontrol.wait;\n", "", StringComparison.Ordinal)
                .Replace("mad.lo", "griddepcontrol.wait;\nmad.lo", StringComparison.Ordinal),
        };
        using EmulatorDevice device = new(architecture: 90, isHopper: true);
        using IDeviceMemory memory = device.Allocate(8);
        using IDeviceStream stream = device.CreateStream();
        IDeviceKernel kernel = device.Load(late);
        StreamContract.Set(stream, memory, 1, 0);
        StreamContract.Launch(stream, kernel, memory, addend: 1);
        StreamContract.Launch(stream, kernel, memory, addend: 1);
        using IDeviceGraph graph = stream.Capture(() =>
        {
            StreamContract.Launch(stream, kernel, memory, addend: 1);
            StreamContract.Launch(stream, kernel, memory, addend: 1);
        })!;
        Assert.That(() => stream.TryLaunch(graph), Throws.TypeOf<PtxFaultException>()
            .With.Property(nameof(PtxFaultException.Kind)).EqualTo(PtxFaultKind.DependencyNotWaited)
            .And.Message.Contains("ld.global.u32"));
        Assert.That(StreamContract.Get(stream, memory).First, Is.EqualTo(40), "the first of the graph is ordinary");
    }
}
