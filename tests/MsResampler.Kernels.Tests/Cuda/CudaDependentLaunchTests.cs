using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using MsResampler.Kernels.Device.Cuda;

namespace MsResampler.Kernels.Tests.Cuda;

/// <summary>Which launches of a graph may begin before the launch before them has ended, and what happens without
/// them. The emulator behind the mock reports kernels that do not wait.</summary>
internal sealed class CudaDependentLaunchTests : CudaFixture
{
    private const int LaunchOutOfResources = 701;
    private const int IllegalAddress = 700;
    private const int NotSupported = 801;

    private static readonly string[] s_failing = ["cuLaunchKernelEx", "cuStreamEndCapture", "cuGraphInstantiate"];

    private CudaDevice _device = null!;
    private IDeviceStream _stream = null!;
    private IDeviceMemory _memory = null!;

    [SetUp]
    public void Attach() => AttachEmulator();

    [TearDown]
    public void Close()
    {
        _memory?.Dispose();
        _stream?.Dispose();
        _device?.Dispose();
    }

    [TestCaseSource(typeof(StreamContract), nameof(StreamContract.Cases))]
    public void A_Hopper_device_fulfils_the_stream_contract(object promise)
    {
        Open(90);
        ((Action<IDevice>)promise)(_device);
    }

    /// <summary>The offsets and sizes of cuda.h: seven integers of four bytes, padding, two pointers and an integer;
    /// an identifier, padding to 8 bytes and a value of 64 bytes.</summary>
    [Test]
    public void The_structures_have_the_layout_of_the_driver()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Unsafe.SizeOf<CudaLaunchConfig>(), Is.EqualTo(56));
            Assert.That(Unsafe.SizeOf<CudaLaunchAttribute>(), Is.EqualTo(72));
            Assert.That(Offsets<CudaLaunchConfig>(), Is.EqualTo(new[] { 0, 4, 8, 12, 16, 20, 24, 32, 40, 48 }));
            Assert.That(Offsets<CudaLaunchAttribute>(), Is.EqualTo(new[] { 0, 8 }));
        }

        static int[] Offsets<T>() => [.. typeof(T).GetFields()
            .Select(field => (int)Marshal.OffsetOf<T>(field.Name))];
    }

    [Test]
    public void Launches_after_launches_are_dependent_if_their_kernel_waits()
    {
        Open(90);
        IDeviceKernel waiting = _device.Load(StreamContract.AdvanceInOrder);
        IDeviceKernel other = _device.Load(StreamContract.Advance);
        using IDeviceGraph graph = _stream.Capture(() =>
        {
            foreach (IDeviceKernel kernel in (IDeviceKernel[])[waiting, waiting, other, waiting])
                Launch(kernel);
            _stream.Copy(_memory.Address, _memory.Address + 4, 4);
            Launch(waiting);
            Launch(waiting);
            _stream.Clear(_memory.Address + 4, 4);
            Launch(waiting);
        })!;
        Assert.That(Operations(), Is.EqualTo(new[]
        {
            "cuLaunchKernel", "cuLaunchKernelEx", "cuLaunchKernel", "cuLaunchKernelEx", "cuMemcpyDtoDAsync",
            "cuLaunchKernel", "cuLaunchKernelEx", "cuMemsetD8Async", "cuLaunchKernel",
        }));
        Assert.That(_stream.TryLaunch(graph), Is.True);
        Assert.That(StreamContract.Get(_stream, _memory), Is.EqualTo((3280, 0)), "x ← 3·x + 1, seven times");
        Assert.That(MockDriver.Log("cuGraphLaunch").Single(), Does.StartWith("cuGraphLaunch launches=7 "));
    }

    [Test]
    public void Size_shared_memory_and_arguments_of_a_dependent_launch_are_those_of_an_ordinary_one()
    {
        Open(90);
        IDeviceKernel kernel = _device.Load(StreamContract.AdvanceInOrder);
        byte[] arguments = new byte[12];
        MemoryMarshal.Write(arguments, _memory.Address);
        arguments[8] = 77;
        using IDeviceGraph? graph = _stream.Capture(() =>
        {
            for (int launch = 0; launch < 2; launch++)
                _stream.Launch(kernel, new LaunchSize(3, 5, 64, 50_000), arguments);
        });
        string ordinary = MockDriver.Log("cuLaunchKernel").Single();
        Assert.That(ordinary, Does.Contain(" grid=3x5x1 block=64x1x1 shared=50000 "));
        Assert.That(MockDriver.Log("cuLaunchKernelEx").Single(),
            Is.EqualTo(ordinary.Replace("cuLaunchKernel ", "cuLaunchKernelEx ", StringComparison.Ordinal)));
    }

    [TestCase(90, 11_080)]
    [TestCase(100, 13_000)]
    [TestCase(89, 13_000)]
    public void Other_devices_have_no_dependent_launches(int architecture, int driver)
    {
        Open(architecture, driver);
        // A text for sm_90 runs on newer devices.
        IDeviceKernel kernel = _device.Load(architecture >= 90 ? StreamContract.AdvanceInOrder
            : StreamContract.Advance);
        Assert.That(Replay(kernel), Is.True);
        Assert.That(MockDriver.Log("cuLaunchKernelEx"), Is.Empty);
    }

    [Test]
    public void Outside_graphs_no_launch_is_dependent()
    {
        Open(90);
        IDeviceKernel kernel = _device.Load(StreamContract.AdvanceInOrder);
        Assert.That(Replay(kernel), Is.True);
        int count = MockDriver.Log("cuLaunchKernelEx").Length;
        Work(kernel);
        _stream.Synchronize();
        Assert.That(MockDriver.Log("cuLaunchKernelEx"), Has.Length.EqualTo(count).And.Length.EqualTo(2));
    }

    [Test]
    public void The_environment_turns_dependent_launches_off()
    {
        Open(90);
        IDeviceKernel kernel = _device.Load(StreamContract.AdvanceInOrder);
        Environment.SetEnvironmentVariable(CudaDependentLaunch.Variable, "0");
        try
        {
            Assert.That(Replay(kernel), Is.True);
            Assert.That(MockDriver.Log("cuLaunchKernelEx"), Is.Empty);
        }
        finally
        {
            Environment.SetEnvironmentVariable(CudaDependentLaunch.Variable, null);
        }

        Assert.That(Replay(kernel), Is.True);
        Assert.That(MockDriver.Log("cuLaunchKernelEx"), Has.Length.EqualTo(2));
    }

    /// <summary>A driver may have the call and not record it.</summary>
    [Test]
    public void Work_is_recorded_again_without_dependent_launches_if_they_fail(
        [ValueSource(nameof(s_failing))] string call)
    {
        Open(90);
        IDeviceKernel kernel = _device.Load(StreamContract.AdvanceInOrder);
        int live = MockDriver.LiveCount;
        MockDriver.Fail(call, NotSupported);
        Assert.That(Replay(kernel), Is.True);
        Assert.That(MockDriver.Log("cuStreamBeginCapture"), Has.Length.EqualTo(2));
        Assert.That(Operations()[^3..], Is.All.EqualTo("cuLaunchKernel"));
        Assert.That(MockDriver.LiveCount, Is.EqualTo(live));

        int count = MockDriver.Log("cuLaunchKernelEx").Length;
        Assert.That(Replay(kernel), Is.True);
        Assert.That(MockDriver.Log("cuLaunchKernelEx"), Has.Length.EqualTo(count), "they are not tried again");
        Assert.That(MockDriver.Log("cuStreamBeginCapture"), Has.Length.EqualTo(3));
    }

    [Test]
    public void Without_a_graph_in_either_way_there_is_none_and_the_next_recording_tries_both(
        [Values("cuStreamEndCapture", "cuGraphInstantiate")] string call)
    {
        Open(90);
        IDeviceKernel kernel = _device.Load(StreamContract.AdvanceInOrder);
        int live = MockDriver.LiveCount;
        MockDriver.Fail(call, LaunchOutOfResources, nth: 1);
        MockDriver.Fail(call, LaunchOutOfResources, nth: 1);
        Assert.That(_stream.Capture(() => Work(kernel)), Is.Null);
        Assert.That(MockDriver.Log("cuStreamBeginCapture"), Has.Length.EqualTo(2));
        Assert.That(MockDriver.LiveCount, Is.EqualTo(live));
        int count = MockDriver.Log("cuLaunchKernelEx").Length;
        Assert.That(Replay(kernel), Is.True);
        Assert.That(MockDriver.Log("cuLaunchKernelEx"), Has.Length.EqualTo(count + 2));
    }

    [Test]
    public void A_recording_that_fails_before_any_dependent_launch_is_not_repeated(
        [Values("cuStreamCreate", "cuStreamBeginCapture", "cuLaunchKernel")] string call)
    {
        Open(90);
        IDeviceKernel kernel = _device.Load(StreamContract.AdvanceInOrder);
        int captures = MockDriver.Log().Length;
        MockDriver.Fail(call, LaunchOutOfResources);
        Assert.That(_stream.Capture(() => Work(kernel)), Is.Null);
        Assert.That(MockDriver.Log()[captures..].Count(line => line.Contains(" fails with ")), Is.EqualTo(1));
        Assert.That(MockDriver.Log("cuStreamBeginCapture"), Has.Length.LessThanOrEqualTo(1));
        Assert.That(Replay(kernel), Is.True);
        Assert.That(MockDriver.Log("cuLaunchKernelEx"), Has.Length.EqualTo(2));
    }

    [Test]
    public void A_device_lost_in_a_dependent_launch_is_reported_by_later_work()
    {
        Open(90);
        IDeviceKernel kernel = _device.Load(StreamContract.AdvanceInOrder);
        MockDriver.Fail("cuLaunchKernelEx", IllegalAddress, isSticky: true);
        Assert.That(_stream.Capture(() => Work(kernel)), Is.Null);
        Assert.That(() => Work(kernel), Throws.TypeOf<DeviceException>()
            .With.Property(nameof(DeviceException.IsDeviceLost)).True
            .And.Message.Contains("cuLaunchKernelEx failed"));
        _device.Dispose();
        Assert.That(MockDriver.LiveCount, Is.Zero);
        MockDriver.Reset();
    }

    [Test]
    public void The_mock_reports_a_dependent_launch_of_a_kernel_that_does_not_wait()
    {
        Open(90);
        CompiledKernel pretends = StreamContract.Advance with
        {
            Ptx = $"// griddepcontrol.wait\n{StreamContract.Advance.Ptx}",
        };
        IDeviceKernel kernel = _device.Load(pretends);
        Assert.That(pretends.WaitsForDependencies, Is.True);
        _stream.Capture(() => Work(kernel))?.Dispose();
        Assert.That(MockDriver.LastViolation, Does.Contain("a dependent launch of advance, which does not wait"));
        Close();
        MockDriver.Reset();
    }

    private static string[] Operations() => [.. MockDriver.Log().Select(line => line.Split(' '))
        .Where(words => words[0] is "cuLaunchKernel" or "cuLaunchKernelEx" or "cuMemcpyDtoDAsync" or "cuMemsetD8Async"
            && words[1] != "fails")
        .Select(words => words[0])];

    /// <summary>Records three launches and replays them.</summary>
    /// <returns>Whether there is a graph; its result is right.</returns>
    private bool Replay(IDeviceKernel kernel)
    {
        StreamContract.Set(_stream, _memory, 1, 0);
        using IDeviceGraph? graph = _stream.Capture(() => Work(kernel));
        if (graph is null || !_stream.TryLaunch(graph))
            return false;
        Assert.That(StreamContract.Get(_stream, _memory), Is.EqualTo((40, 0)));
        return true;
    }

    private void Work(IDeviceKernel kernel)
    {
        for (int launch = 0; launch < 3; launch++)
            Launch(kernel);
    }

    private void Launch(IDeviceKernel kernel) => StreamContract.Launch(_stream, kernel, _memory, addend: 1);

    private void Open(int architecture, int driver = 12_040)
    {
        MockDriver.SetDriver(driver, 1);
        MockDriver.SetDevice(0, "Mock", architecture);
        _device = new CudaDevice(0);
        _stream = _device.CreateStream();
        _memory = _device.Allocate(8);
        StreamContract.Set(_stream, _memory, 1, 0);
    }
}
