using MsResampler.Kernels.Device.Cuda;
using CudaError = ILGPU.Runtime.Cuda.CudaError;

namespace MsResampler.Kernels.Tests.Cuda;

/// <summary>Graphs, copies within the device, foreign streams and timers, with the PTX emulator behind the
/// mock.</summary>
internal sealed class CudaStreamTests : CudaFixture
{
    private const int LaunchOutOfResources = 701;
    private const int IllegalAddress = 700;

    private static readonly string[] s_graphCalls =
        ["cuStreamCreate", "cuStreamBeginCapture", "cuLaunchKernel", "cuMemcpyDtoDAsync", "cuStreamEndCapture",
            "cuGraphInstantiate", "cuGraphLaunch"];

    private CudaDevice _device = null!;
    private IDeviceStream _stream = null!;
    private IDeviceMemory _memory = null!;
    private IDeviceKernel _kernel = null!;

    [SetUp]
    public void Open()
    {
        AttachEmulator();
        _device = new CudaDevice(0);
        _stream = _device.CreateStream();
        _memory = _device.Allocate(8);
        _kernel = _device.Load(StreamContract.Advance);
        StreamContract.Set(_stream, _memory, 1, 0);
        _stream.Synchronize();
    }

    [TearDown]
    public void Close()
    {
        _memory.Dispose();
        _stream.Dispose();
        _device.Dispose();
    }

    [TestCaseSource(typeof(StreamContract), nameof(StreamContract.Cases))]
    public void A_cuda_device_fulfils_the_stream_contract(object promise) => ((Action<IDevice>)promise)(_device);

    [Test]
    public void A_failing_graph_call_is_silent_and_keeps_the_result(
        [ValueSource(nameof(s_graphCalls))] string call)
    {
        int failed = Fallbacks();
        Assert.That(failed, Is.Zero);
        int liveCount = MockDriver.LiveCount;
        MockDriver.Fail(call, LaunchOutOfResources);
        failed = Fallbacks();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(failed, Is.EqualTo(1));
            Assert.That(MockDriver.LiveCount, Is.EqualTo(liveCount));
            Assert.That(Fallbacks(), Is.Zero);
        }

        // The number of times that the work had to be launched without a graph.
        int Fallbacks()
        {
            StreamContract.Set(_stream, _memory, 1, 0);
            int count = 0;
            using IDeviceGraph? graph = _stream.Capture(Work);
            if (graph is null || !_stream.TryLaunch(graph))
            {
                count++;
                Work();
            }

            Assert.That(StreamContract.Get(_stream, _memory), Is.EqualTo((14, 4)));
            return count;
        }
    }

    [Test]
    public void A_device_lost_while_recording_is_reported_by_later_work(
        [ValueSource(nameof(s_graphCalls))] string call)
    {
        using (IDeviceGraph graph = _stream.Capture(Work)!)
        {
            MockDriver.Fail(call, IllegalAddress, isSticky: true);
            Assert.That(_stream.TryLaunch(graph) && _stream.Capture(Work) is not null, Is.False);
            Assert.That(Work, Throws.TypeOf<DeviceException>()
                .With.Property(nameof(DeviceException.IsDeviceLost)).True);
        }

        _device.Dispose();
        Assert.That(MockDriver.LiveCount, Is.Zero);
        MockDriver.Reset();
    }

    [Test]
    public void Work_is_recorded_on_a_temporary_stream()
    {
        string[] streams = StreamsOf("cuStreamCreate");
        using IDeviceGraph graph = _stream.Capture(Work)!;
        _stream.TryLaunch(graph);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(StreamsOf("cuStreamBeginCapture"), Has.Length.EqualTo(1).And.Not.SubsetOf(streams));
            Assert.That(MockDriver.Log("cuStreamBeginCapture"),
                Has.All.Contains($" mode={CudaNative.CaptureThreadLocal} "), "other threads may allocate and wait");
            Assert.That(StreamsOf("cuStreamDestroy"), Is.EqualTo(StreamsOf("cuStreamBeginCapture")));
            Assert.That(StreamsOf("cuGraphLaunch"), Is.EqualTo(streams));
            Assert.That(MockDriver.Log("cuGraphLaunch").Single(), Does.StartWith("cuGraphLaunch launches=2 "));
        }

        static string[] StreamsOf(string call)
            => [.. MockDriver.Log(call).Select(line => line.Split(' ', '=')[^1])];
    }

    [Test]
    public void Graphs_are_off_by_environment_or_without_driver_support()
    {
        Environment.SetEnvironmentVariable(CudaCapture.Variable, "0");
        try
        {
            Assert.That(_stream.Capture(Work), Is.Null);
        }
        finally
        {
            Environment.SetEnvironmentVariable(CudaCapture.Variable, null);
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(MockDriver.Log("cuStreamBeginCapture"), Is.Empty);
            Assert.That(CudaLibrary.Exports("cuGraphLaunch"), Is.True);
            Assert.That(CudaLibrary.Exports("cuGraphLaunch", "cuNoSuchFunction"), Is.False);
        }
    }

    [Test]
    public void An_allocation_while_recording_prevents_the_graph_of_its_thread()
    {
        Assert.That(_stream.Capture(() => _device.Allocate(8).Dispose()), Is.Null);
        using IDeviceGraph? graph = _stream.Capture(() =>
        {
            Thread other = new(() => _device.Allocate(8).Dispose());
            other.Start();
            other.Join();
            Work();
        });
        Assert.That(graph, Is.Not.Null);
        Assert.That(_stream.TryLaunch(graph), Is.True);
        Assert.That(StreamContract.Get(_stream, _memory), Is.EqualTo((14, 4)));
    }

    [Test]
    public void Threads_record_and_launch_concurrently()
    {
        int[] results = new int[6];
        Thread[] threads = [.. Enumerable.Range(0, results.Length).Select(index => new Thread(() =>
        {
            using IDeviceStream stream = _device.CreateStream();
            using IDeviceMemory memory = _device.Allocate(8);
            StreamContract.Set(stream, memory, index, 0);
            for (int round = 0; round < 10; round++)
            {
                using IDeviceGraph? graph
                    = stream.Capture(() => StreamContract.Launch(stream, _kernel, memory, addend: index));
                if (graph is null || !stream.TryLaunch(graph))
                    return;
            }

            results[index] = StreamContract.Get(stream, memory).First;
        }))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        // Ten iterations of x ← 3·x + index, starting with x = index.
        Assert.That(results, Is.EqualTo(Enumerable.Range(0, results.Length).Select(index => index * 88_573)));
    }

    [Test]
    public void Disposing_a_stream_disposes_its_graphs_and_timers_after_work()
    {
        int liveCount = MockDriver.LiveCount;
        IDeviceStream stream = _device.CreateStream();
        IDeviceGraph graph = stream.Capture(() => StreamContract.Launch(stream, _kernel, _memory, addend: 4))!;
        IDeviceTimer timer = stream.CreateTimer()!;
        stream.WaitFor(0);
        Assert.That(stream.TryLaunch(graph), Is.True);
        stream.Dispose();
        graph.Dispose();
        timer.Dispose();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(MockDriver.LiveCount, Is.EqualTo(liveCount));
            Assert.That(StreamContract.Get(_stream, _memory).First, Is.EqualTo(7));
            Assert.That(() => stream.TryLaunch(graph), Throws.TypeOf<ObjectDisposedException>());
        }
    }

    [Test]
    public void A_crashing_kernel_in_a_graph_is_named()
    {
        IDeviceGraph graph = _stream.Capture(Work)!;
        _stream.Synchronize();
        _stream.TryLaunch(graph);
        MockDriver.Fail("cuStreamSynchronize", LaunchOutOfResources);
        Assert.That(_stream.Synchronize, Throws.TypeOf<DeviceException>()
            .With.Message.Contains("after 2 launches, the last of advance"));
    }

    [Test]
    public void Work_and_the_stream_of_the_caller_wait_for_each_other([Values] bool isNullStream)
    {
        // The mock driver performs work only when something waits for it. Without an order between the streams, the
        // work whose result is read first would run first.
        using IDeviceStream other = _device.CreateStream();
        using (_device.Context.Enter())
        {
            nint caller = 0;
            if (!isNullStream)
                Assert.That(CudaNative.CreateStream(out caller, 0), Is.EqualTo(CudaError.CUDA_SUCCESS));
            StreamContract.Launch(other, _kernel, _memory, addend: 1);
            other.Release(caller);
            _stream.WaitFor(caller);
            StreamContract.Launch(_stream, _kernel, _memory, addend: 2);
            Assert.That(StreamContract.Get(_stream, _memory).First, Is.EqualTo(14));
            if (!isNullStream)
                CudaLibrary.Api.DestroyStream(caller);
        }

        Assert.That(MockDriver.Log("cuEventCreate"), Has.Exactly(6).EqualTo("cuEventCreate flags=2"),
            "each stream has two events for copies and one for ordering");
    }

    [Test]
    public void A_stream_of_another_context_is_an_error_naming_the_stream()
    {
        using CudaDevice other = new(0);
        nint foreign;
        using (other.Context.Enter())
            CudaNative.CreateStream(out foreign, 0);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => _stream.WaitFor(foreign), Throws.TypeOf<DeviceException>().With.Message.Contains(
                $"the stream 0x{foreign:x}, which must belong to the model's context: cuEventRecord failed with " +
                "CUDA_ERROR_INVALID_HANDLE (400)"));
            Assert.That(() => _stream.Release(foreign), Throws.TypeOf<DeviceException>()
                .With.Message.Contains("cuStreamWaitEvent failed with CUDA_ERROR_INVALID_HANDLE (400)"));
        }

        using (other.Context.Enter())
            CudaLibrary.Api.DestroyStream(foreign);
    }

    [Test]
    public void A_timer_measures_the_time_between_start_and_stop()
    {
        using IDeviceTimer timer = _stream.CreateTimer()!;
        Work();
        timer.Start();
        Assert.That(timer.GetMilliseconds, Throws.TypeOf<DeviceException>()
            .With.Message.Contains("started and stopped"));
        for (int launch = 0; launch < 5; launch++)
            StreamContract.Launch(_stream, _kernel, _memory, addend: 1);
        timer.Stop();
        Work();
        Assert.That(timer.GetMilliseconds(), Is.EqualTo(5), "the driver of the tests takes a millisecond a launch");
    }

    private void Work()
    {
        StreamContract.Launch(_stream, _kernel, _memory, addend: 1);
        _stream.Copy(_memory.Address, _memory.Address + 4, 4);
        StreamContract.Launch(_stream, _kernel, _memory, addend: 2);
    }
}
