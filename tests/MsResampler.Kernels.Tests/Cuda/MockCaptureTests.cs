using MsResampler.Kernels.Device.Cuda;

namespace MsResampler.Kernels.Tests.Cuda;

/// <summary>What a capture forbids, and to which thread.</summary>
internal sealed class MockCaptureTests : MockDriverFixture
{
    private const int Unsupported = 900;
    private const int Invalidated = 901;
    private const int Implicit = 906;
    private const int Global = 0;
    private const int ThreadLocal = CudaNative.CaptureThreadLocal;
    private const int Relaxed = 2;

    private nint _stream;
    private nint _event;

    [SetUp]
    public void CreateObjects()
    {
        CudaNative.CreateStream(out _stream, CudaNative.NonBlockingStream);
        CudaLibrary.Api.CreateEvent(out _event, 0);
    }

    [TearDown]
    public void DestroyObjects()
    {
        CudaLibrary.Api.DestroyStream(_stream);
        CudaLibrary.Api.DestroyEvent(_event);
    }

    [TestCase(Global, true, true)]
    [TestCase(ThreadLocal, true, false)]
    [TestCase(Relaxed, false, false)]
    public void A_capture_forbids_threads_to_allocate_by_its_mode(int mode, bool forbidsOwn, bool forbidsOther)
    {
        int own = 0;
        int other = 0;
        Assert.That(Capture(mode, () => own = Allocate()), Is.EqualTo(forbidsOwn ? Invalidated : 0));
        Assert.That(Capture(mode, () => OnOtherThread(() => other = Allocate())),
            Is.EqualTo(forbidsOther ? Invalidated : 0));
        Assert.That((own, other), Is.EqualTo((forbidsOwn ? Unsupported : 0, forbidsOther ? Unsupported : 0)));
    }

    [Test]
    public void A_capture_forbids_its_thread_to_wait()
    {
        CudaNative.CreateStream(out nint other, CudaNative.NonBlockingStream);
        Func<int>[] waits = [() => (int)CudaLibrary.Api.SynchronizeStream(other),
            () => (int)CudaLibrary.Api.SynchronizeEvent(_event), () => (int)CudaLibrary.Api.SynchronizeContext()];
        foreach (Func<int> wait in waits)
        {
            int error = 0;
            Assert.That(Capture(ThreadLocal, () => error = wait()), Is.EqualTo(Invalidated));
            Assert.That(error, Is.EqualTo(Unsupported));
        }

        CudaLibrary.Api.DestroyStream(other);
    }

    [Test]
    public void The_null_stream_invalidates_the_capture_of_a_stream_that_waits_for_it([Values] bool waits)
    {
        int expected = waits ? Implicit : 0;
        CudaNative.CreateStream(out nint stream, waits ? 0 : CudaNative.NonBlockingStream);
        (_stream, stream) = (stream, _stream);
        Assert.That(Capture(Relaxed, () => Assert.That((int)CudaNative.IsCapturing(0, out _), Is.EqualTo(expected))),
            Is.Zero, "asking is permitted");
        Assert.That(Capture(Relaxed, () => Assert.That((int)CudaLibrary.Api.RecordEvent(_event, 0),
            Is.EqualTo(expected))), Is.EqualTo(waits ? Invalidated : 0));
        Assert.That(Capture(Relaxed, () => Assert.That((int)CudaNative.WaitEvent(0, _event, 0), Is.EqualTo(expected))),
            Is.EqualTo(waits ? Invalidated : 0));
        CudaLibrary.Api.DestroyStream(stream);
    }

    [Test]
    public void An_invalid_capture_refuses_work()
    {
        CudaLibrary.Api.AllocateMemory(out nint memory, 8);
        Assert.That(Capture(ThreadLocal, () =>
        {
            Assert.That((int)CudaNative.CopyOnDevice((ulong)memory, (ulong)memory + 4, 4, _stream), Is.Zero);
            Allocate();
            Assert.That((int)CudaNative.CopyOnDevice((ulong)memory, (ulong)memory + 4, 4, _stream),
                Is.EqualTo(Invalidated));
        }), Is.EqualTo(Invalidated));
        CudaLibrary.Api.FreeMemory(memory);
    }

    /// <summary>Performs an action while a stream captures.</summary>
    /// <returns>The error of the end of the capture.</returns>
    private int Capture(int mode, Action action)
    {
        CudaNative.BeginCapture(_stream, mode);
        action();
        int error = (int)CudaNative.EndCapture(_stream, out nint graph);
        if (graph != 0)
            CudaNative.DestroyGraph(graph);
        return error;
    }
}
