using MsResampler.Perf.Ceilings;
using MsResampler.Perf.Timing;

namespace MsResampler.Kernels.Tests.Perf;

/// <summary>What is timed, and when.</summary>
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
    public void A_forward_pass_is_timed_from_its_first_launch_on_an_idle_device_to_the_copy_behind_it()
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
        Assert.That(_device.TakeForward(), Is.Zero, "it was taken");
    }

    [Test]
    public void Forward_passes_of_one_call_add_up_and_may_be_graphs()
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
    public void Launches_are_timed_one_by_one_beside_the_prelude_and_without_graphs()
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
    public void Nothing_is_timed_unless_asked()
    {
        Launch(_stream, 1);
        _stream.Synchronize();

        Assert.That(_clocked.Log, Is.EqualTo(new[] { Kernel, "synchronize" }));
        Assert.That((_device.TakeForward(), _device.TakeLaunches().Count), Is.EqualTo((0.0, 0)));
    }

    [Test]
    public void A_device_without_a_clock_is_refused_in_words()
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
