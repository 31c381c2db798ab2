namespace MsResampler.Kernels.Tests.Devices;

/// <summary>A device that reports its operations to a test before it performs them, and can make them fail.</summary>
/// <param name="device">The device that does the work.</param>
internal sealed class ObservedDevice(IDevice device) : IDevice
{
    private readonly Lock _lock = new();

    /// <summary>Called with the name of the operation: allocate, upload, download, launch, copy, clear, wait,
    /// release, capture or replay. The work that a capture records does not count as an operation.</summary>
    public Action<string> Before { get; set; } = _ => { };

    /// <summary>The number of operations so far, by name.</summary>
    public Dictionary<string, int> Counts { get; } = [];

    public DeviceProperties Properties => device.Properties;

    public IDeviceMemory Allocate(long byteCount)
    {
        Observe("allocate");
        return device.Allocate(byteCount);
    }

    public IDeviceStream CreateStream() => new Stream(this, device.CreateStream());

    public IDeviceKernel Load(CompiledKernel kernel) => device.Load(kernel);

    public void RefuseRecording(nint callerStream) => device.RefuseRecording(callerStream);

    public void Dispose() => device.Dispose();

    /// <summary>Makes the n-th operation from now on fail, counted from 1. Captures and replays do not count, because
    /// their failures are handled silently.</summary>
    public void FailAt(int operation)
    {
        int count = 0;
        Before = name =>
        {
            if (name is not ("capture" or "replay") && Interlocked.Increment(ref count) == operation)
                throw new DeviceException($"{name} failed");
        };
    }

    private void Observe(string operation)
    {
        lock (_lock)
            Counts[operation] = Counts.GetValueOrDefault(operation) + 1;
        Before(operation);
    }

    private sealed class Stream(ObservedDevice owner, IDeviceStream stream) : IDeviceStream
    {
        private bool _isCapturing;

        public void Upload(HostRows rows, IDeviceMemory destination, long byteOffset = 0,
            CancellationToken cancellationToken = default)
        {
            owner.Observe("upload");
            stream.Upload(rows, destination, byteOffset, cancellationToken);
        }

        public void Download(IDeviceMemory source, Span<byte> destination, long byteOffset = 0)
        {
            owner.Observe("download");
            stream.Download(source, destination, byteOffset);
        }

        public void Launch(IDeviceKernel kernel, LaunchSize size, ReadOnlySpan<byte> arguments)
        {
            if (!_isCapturing)
                owner.Observe("launch");
            stream.Launch(kernel, size, arguments);
        }

        public void Copy(ulong source, ulong destination, long byteCount)
        {
            if (!_isCapturing)
                owner.Observe("copy");
            stream.Copy(source, destination, byteCount);
        }

        public void Clear(ulong address, long byteCount)
        {
            if (!_isCapturing)
                owner.Observe("clear");
            stream.Clear(address, byteCount);
        }

        public IDeviceGraph? Capture(Action work)
        {
            _isCapturing = true;
            try
            {
                return stream.Capture(() =>
                {
                    owner.Observe("capture");
                    work();
                });
            }
            finally
            {
                _isCapturing = false;
            }
        }

        public bool TryLaunch(IDeviceGraph graph)
        {
            try
            {
                owner.Observe("replay");
            }
            catch (DeviceException)
            {
                return false;
            }

            return stream.TryLaunch(graph);
        }

        public void WaitFor(nint callerStream)
        {
            owner.Observe("wait");
            stream.WaitFor(callerStream);
        }

        public void Release(nint callerStream)
        {
            owner.Observe("release");
            stream.Release(callerStream);
        }

        public IDeviceTimer? CreateTimer() => stream.CreateTimer();

        public void Synchronize() => stream.Synchronize();

        public void Dispose() => stream.Dispose();
    }
}
