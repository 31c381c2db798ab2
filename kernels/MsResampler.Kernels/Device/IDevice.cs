namespace MsResampler.Kernels.Device;

/// <summary>A device that runs compiled kernels. The engine uses devices through this interface only, so that every
/// implementation runs the same steps. All members are thread-safe.</summary>
internal interface IDevice : IDisposable
{
    /// <summary>The properties of the device.</summary>
    DeviceProperties Properties { get; }

    /// <summary>Allocates memory of undefined content, aligned to 256 bytes.</summary>
    /// <exception cref="DeviceException">There is not enough memory.</exception>
    IDeviceMemory Allocate(long byteCount);

    /// <summary>Creates a stream. Its work runs in order, concurrently with the work of other streams.</summary>
    IDeviceStream CreateStream();

    /// <summary>Loads a compiled kernel, which stays loaded as long as the device exists. Loading takes long, because
    /// the driver may compile the kernel; meanwhile all other members are usable.</summary>
    /// <exception cref="DeviceException">The kernel cannot be loaded. A later call may succeed.</exception>
    IDeviceKernel Load(CompiledKernel kernel);

    /// <summary>Throws if a stream of a caller is recording a graph: work in the order of that stream would become
    /// part of the graph.</summary>
    /// <param name="callerStream">As in <see cref="IDeviceStream.WaitFor"/>.</param>
    /// <exception cref="InvalidOperationException">The stream is recording.</exception>
    void RefuseRecording(nint callerStream);
}

/// <summary>Device memory. Disposing it frees the memory.</summary>
internal interface IDeviceMemory : IDisposable
{
    /// <summary>The address of the first byte on the device.</summary>
    ulong Address { get; }

    long ByteCount { get; }
}

/// <summary>A kernel that is loaded on a device and lives as long as the device.</summary>
internal interface IDeviceKernel
{
    CompiledKernel Kernel { get; }
}

/// <summary>A queue of work that runs in order. Only one thread may use a stream at a time.</summary>
internal interface IDeviceStream : IDisposable
{
    /// <summary>Copies rows to the device. All rows have been written when the call returns.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="destination">Receives the rows one after another.</param>
    /// <param name="byteOffset">The place of the first row in the destination.</param>
    /// <param name="cancellationToken">Checked between slices; the copies before may still be queued.</param>
    void Upload(HostRows rows, IDeviceMemory destination, long byteOffset = 0,
        CancellationToken cancellationToken = default);

    /// <summary>Copies from the device after all earlier work of the stream. The copy is complete when the call
    /// returns.</summary>
    void Download(IDeviceMemory source, Span<byte> destination, long byteOffset = 0);

    /// <summary>Starts a kernel.</summary>
    /// <param name="kernel">The kernel, loaded on this stream's device.</param>
    /// <param name="size">The blocks, threads and dynamic shared memory.</param>
    /// <param name="arguments">The bytes of the arguments, each at the offset in
    /// <see cref="CompiledKernel.Parameters"/>.</param>
    /// <exception cref="DeviceException">The launch failed.</exception>
    void Launch(IDeviceKernel kernel, LaunchSize size, ReadOnlySpan<byte> arguments);

    /// <summary>Starts to copy within the device. Source and destination must not overlap.</summary>
    /// <param name="source">The address of the first byte.</param>
    /// <param name="destination">The address of the first byte of the destination.</param>
    /// <param name="byteCount">The number of bytes, at least 1.</param>
    /// <exception cref="DeviceException">The copy could not be started.</exception>
    void Copy(ulong source, ulong destination, long byteCount);

    /// <summary>Starts to set memory to zero.</summary>
    /// <param name="address">The address of the first byte.</param>
    /// <param name="byteCount">The number of bytes, at least 1.</param>
    /// <exception cref="DeviceException">The operation could not be started.</exception>
    void Clear(ulong address, long byteCount);

    /// <summary>Records launches and copies within the device as a graph instead of starting them.
    /// <see cref="TryLaunch"/> starts the graph any number of times, each at little more than the cost of one
    /// launch.</summary>
    /// <param name="work">Makes launches and copies on this stream. Any other use of the stream throws an
    /// <see cref="InvalidOperationException"/>. Every launch of the graph uses the recorded addresses.</param>
    /// <returns>The graph, or null if the device has no graphs or an operation failed. Null leaves the stream as it
    /// was, and the work can be started without a graph, which reports the failure if it persists. Other exceptions
    /// of <paramref name="work"/> are passed on.</returns>
    IDeviceGraph? Capture(Action work);

    /// <summary>Starts a graph.</summary>
    /// <param name="graph">A graph that this stream recorded.</param>
    /// <returns>Whether the graph was started. If not, no part of it was, and the work can be started without
    /// it.</returns>
    bool TryLaunch(IDeviceGraph graph);

    /// <summary>Makes later work of this stream wait for the present work of another stream. The calling thread does
    /// not wait.</summary>
    /// <param name="callerStream">The handle of the caller's stream in the device's driver; 0 is the default
    /// stream.</param>
    /// <exception cref="DeviceException">The stream belongs to another context.</exception>
    void WaitFor(nint callerStream);

    /// <summary>Makes later work of another stream wait for the present work of this stream. The calling thread does
    /// not wait.</summary>
    /// <param name="callerStream">As in <see cref="WaitFor"/>.</param>
    /// <exception cref="DeviceException">The stream belongs to another context.</exception>
    void Release(nint callerStream);

    /// <summary>Creates a timer for work of this stream; null if the device has no timers.</summary>
    IDeviceTimer? CreateTimer();

    /// <summary>Waits until all work is done.</summary>
    /// <exception cref="DeviceException">Work failed since the last call.</exception>
    void Synchronize();
}

/// <summary>Recorded work of a stream. It is valid as long as the stream and the memory of the work exist. Disposing it
/// waits for the stream's work.</summary>
internal interface IDeviceGraph : IDisposable;

/// <summary>Measures the duration of a stream's work on the device.</summary>
internal interface IDeviceTimer : IDisposable
{
    /// <summary>Starts the timer when the present work of the stream is done.</summary>
    void Start();

    /// <summary>Stops the timer when the present work of the stream is done.</summary>
    void Stop();

    /// <summary>Waits until the timer has stopped.</summary>
    /// <returns>The time in milliseconds, with a resolution of about 0.5 µs.</returns>
    double GetMilliseconds();
}
