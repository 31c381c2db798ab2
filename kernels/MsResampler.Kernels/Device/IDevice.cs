using MsResampler.Kernels.Compiler;
namespace MsResampler.Kernels.Device;

/// <summary>A machine that runs compiled kernels. The plan's executor knows devices by this interface alone, so that
/// whatever implements it runs the same model. Every member may be called from many threads at once.</summary>
internal interface IDevice : IDisposable
{
    /// <summary>What the device is and can do.</summary>
    DeviceProperties Properties { get; }

    /// <summary>Allocates memory of undefined content, aligned to 256 bytes.</summary>
    /// <exception cref="DeviceException">There is not enough memory.</exception>
    IDeviceMemory Allocate(long byteCount);

    /// <summary>Creates a stream whose work runs in order, beside that of other streams.</summary>
    IDeviceStream CreateStream();

    /// <summary>Makes a compiled kernel ready to launch. Loading a kernel again returns the same object.</summary>
    IDeviceKernel Load(CompiledKernel kernel);

    /// <summary>Fails where a stream of a caller's is recording a graph: work ordered with it would become part of the
    /// graph.</summary>
    /// <param name="callerStream">As for <see cref="IDeviceStream.WaitFor"/>.</param>
    /// <exception cref="InvalidOperationException">It is recording.</exception>
    void RefuseRecording(nint callerStream);
}

/// <summary>Device memory; disposing it frees it.</summary>
internal interface IDeviceMemory : IDisposable
{
    /// <summary>The address of the first byte, as kernels see it.</summary>
    ulong Address { get; }

    long ByteCount { get; }
}

/// <summary>A kernel that is ready to launch on one device; it lives as long as the device.</summary>
internal interface IDeviceKernel
{
    CompiledKernel Kernel { get; }
}

/// <summary>Work that runs in order. A stream is used by one thread at a time.</summary>
internal interface IDeviceStream : IDisposable
{
    /// <summary>Copies to the device. The source may be reused when the call returns.</summary>
    void Upload(ReadOnlySpan<byte> source, IDeviceMemory destination, long byteOffset = 0);

    /// <summary>Copies from the device, after all work before it; complete when the call returns.</summary>
    void Download(IDeviceMemory source, Span<byte> destination, long byteOffset = 0);

    /// <summary>Starts a kernel.</summary>
    /// <param name="kernel">The kernel, loaded on this stream's device.</param>
    /// <param name="size">Blocks, threads and dynamic shared memory.</param>
    /// <param name="arguments">The parameters' bytes, each at its offset of
    /// <see cref="CompiledKernel.Parameters"/>.</param>
    /// <exception cref="DeviceException">The launch failed.</exception>
    void Launch(IDeviceKernel kernel, LaunchSize size, ReadOnlySpan<byte> arguments);

    /// <summary>Starts a copy of rows from one place on the device to another, which must not overlap.</summary>
    /// <param name="source">The address of the first row.</param>
    /// <param name="sourceStride">Bytes from one row of the source to the next.</param>
    /// <param name="destination">The address that the first row is copied to.</param>
    /// <param name="destinationStride">Bytes from one row of the destination to the next.</param>
    /// <param name="rowBytes">Bytes of a row.</param>
    /// <param name="rowCount">Rows.</param>
    /// <exception cref="DeviceException">The copy could not be started.</exception>
    void Copy(ulong source, long sourceStride, ulong destination, long destinationStride, long rowBytes, long rowCount);

    /// <summary>Starts to set memory to 0.</summary>
    /// <param name="address">The address of the first byte.</param>
    /// <param name="byteCount">Bytes, at least 1.</param>
    /// <exception cref="DeviceException">It could not be started.</exception>
    void Clear(ulong address, long byteCount);

    /// <summary>Records launches and copies within the device instead of starting them, for <see cref="TryLaunch"/> to
    /// start together, as often as wanted and at little more than the cost of one launch.</summary>
    /// <param name="work">Launches and copies on this stream; an <see cref="InvalidOperationException"/> where it does
    /// anything else with the stream. The addresses it names are those that every later launch of the graph
    /// uses.</param>
    /// <returns>The graph, or null if the device has none or if anything failed, an operation within
    /// <paramref name="work"/> included: nothing is left of the attempt, the stream is as it was, and the work can be
    /// started plainly, which reports the failure if it persists. Other exceptions of <paramref name="work"/> are
    /// passed on.</returns>
    IDeviceGraph? Capture(Action work);

    /// <summary>Starts a graph.</summary>
    /// <param name="graph">A graph that this stream recorded.</param>
    /// <returns>Whether it was started; if not, nothing was, and the work can be started plainly.</returns>
    bool TryLaunch(IDeviceGraph graph);

    /// <summary>Makes later work of this stream wait for what <paramref name="callerStream"/> has been given so far.
    /// The thread does not wait.</summary>
    /// <param name="callerStream">The caller's stream, in the terms of the device's maker: a CUstream, with 0 for the
    /// NULL stream.</param>
    /// <exception cref="DeviceException">It is not a stream of this device's context.</exception>
    void WaitFor(nint callerStream);

    /// <summary>Makes later work of <paramref name="callerStream"/> wait for what this stream has been given so far.
    /// The thread does not wait.</summary>
    /// <param name="callerStream">As for <see cref="WaitFor"/>.</param>
    /// <exception cref="DeviceException">It is not a stream of this device's context.</exception>
    void Release(nint callerStream);

    /// <summary>Creates a timer of this stream's work; null where the device keeps no time.</summary>
    IDeviceTimer? CreateTimer();

    /// <summary>Waits until all work is done.</summary>
    /// <exception cref="DeviceException">Work failed since the last call.</exception>
    void Synchronize();
}

/// <summary>Work that a stream recorded. It is of use while its stream exists, and while the memory exists that the
/// work uses; disposing it waits for the stream's work.</summary>
internal interface IDeviceGraph : IDisposable;

/// <summary>Measures on the device how long a stream's work takes.</summary>
internal interface IDeviceTimer : IDisposable
{
    /// <summary>Starts the time when the stream's work so far is done.</summary>
    void Start();

    /// <summary>Stops the time when the stream's work so far is done.</summary>
    void Stop();

    /// <summary>Waits until the time has stopped.</summary>
    /// <returns>The time in milliseconds, to about half a microsecond.</returns>
    double GetMilliseconds();
}
