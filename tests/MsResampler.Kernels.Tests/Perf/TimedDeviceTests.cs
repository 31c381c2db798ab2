using MsResampler.Perf.Ceilings;
using MsResampler.Perf.Timing;

namespace MsResampler.Kernels.Tests.Perf;

/// <summary>The start and the end of each measurement of a <see cref="TimedDevice"/>.</summary>
public sealed class TimedDeviceTests
{
    private const string Kernel = "EmptyKernel";

    private ClockedDevice _clocked = null!;
    private TimedDevice _device = null!;
    private IDeviceStream _stream = null!;
    private IDeviceKernel _kernel = null!;
    private IDeviceMemory _memory = null!;

    [SetUp]
    public void Open()
    {
        _clocked = new ClockedDevice(new EmulatorDevice());
        _device = new TimedDevice(_clocked);
        _stream = _device.CreateStream();
        _kernel = _device.Load(CeilingKernels.Empty.Compile(EmulatorHost.Compiler, 60));
        _memory = _device.Allocate(16);
    }

    [TearDown]
    public void Close()
    {
        _memory.Dispose();
        _stream.Dispose();
        _device.Dispose();
        _clocked.Dispose();
    }

    [Test]
    public void A_forward_pass_is_timed_from_its_first_launch_to_the_next_copy()
    {
        _device.Prelude = stream => Launch(stream, 2);
        _device.Mode = TimingMode.Forward;
        _stream.Upload(new byte[16], _memory);
        Launch(_stream, 3);
        _stream.Download(_memory, new byte[16]);
        _stream.Download(_memory, new byte[16]);

        Assert.That(_clocked.Log, Is.EqualTo(new[]
        {
            "upload", Kernel, Kernel, "synchronize", "start", Kernel, Kernel, Kernel, "stop", "download", "download",
        }));
        Assert.That(_device.TakeForward(), Is.EqualTo(3));
        Assert.That(_device.TakeForward(), Is.Zero, "the first call took the time");
    }

    [Test]
    public void Times_of_several_forward_passes_add_up_graphs_included()
    {
        IDeviceGraph graph = _stream.Capture(() => Launch(_stream, 5))!;
        _device.Mode = TimingMode.Forward;
        Assert.That(_stream.TryLaunch(graph));
        _stream.Synchronize();
        Launch(_stream, 2);
        _stream.Synchronize();

        Assert.That(_device.TakeForward(), Is.EqualTo(1 + 2));
    }

    [Test]
    public void Launches_are_timed_one_by_one_after_the_prelude_without_graphs()
    {
        IDeviceGraph graph = _stream.Capture(() => Launch(_stream, 1))!;
        _device.Prelude = stream => Launch(stream, 1);
        _device.Mode = TimingMode.Launches;
        Assert.That(_stream.Capture(() => Launch(_stream, 1)), Is.Null);
        Assert.That(_stream.TryLaunch(graph), Is.False);
        Launch(_stream, 2);
        _stream.Synchronize();
        Launch(_stream, 1);
        _stream.Synchronize();

        Assert.That(_clocked.Log, Is.EqualTo(new[]
        {
            Kernel, "start", Kernel, "stop", "start", Kernel, "stop", "synchronize",
            Kernel, "start", Kernel, "stop", "synchronize",
        }));
        Assert.That(_device.TakeLaunches(),
            Is.EqualTo(Enumerable.Repeat(new TimedLaunch(Kernel, new LaunchSize(1, 1, 32), 1), 3)));
        Assert.That(_device.TakeLaunches(), Is.Empty);
    }

    [Test]
    public void Without_a_mode_nothing_is_timed()
    {
        Launch(_stream, 1);
        _stream.Synchronize();

        Assert.That(_clocked.Log, Is.EqualTo(new[] { Kernel, "synchronize" }));
        Assert.That((_device.TakeForward(), _device.TakeLaunches().Count), Is.EqualTo((0.0, 0)));
    }

    [Test]
    public void A_device_without_a_timer_is_refused_by_name()
    {
        using TimedDevice device = new(new EmulatorDevice());
        using IDeviceStream stream = device.CreateStream();
        Assert.That(() => stream.CreateTimer(),
            Throws.TypeOf<NotSupportedException>().With.Message.Contains("PTX emulator has no timer"));
    }

    private void Launch(IDeviceStream stream, int count)
    {
        KernelArguments arguments = new(stackalloc byte[KernelArguments.MaxBytes], _kernel.Kernel);
        arguments.Add(default(DeviceView));
        arguments.Add(0);
        for (int launch = 0; launch < count; launch++)
            stream.Launch(_kernel, new LaunchSize(1, 1, 32), arguments.Bytes);
    }
}
