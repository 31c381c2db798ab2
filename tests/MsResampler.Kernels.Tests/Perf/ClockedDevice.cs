
namespace MsResampler.Kernels.Tests.Perf;

/// <summary>A device with a simulated clock: every launch takes one millisecond, and nothing else takes time. The
/// device logs its operations.</summary>
/// <param name="device">The device that does the work.</param>
internal sealed class ClockedDevice(IDevice device) : IDevice
{
    private double _now;

    /// <summary>The operations in order: the kernel's name for a launch, or graph, upload, download, synchronize,
    /// start, stop.</summary>
    public List<string> Log { get; } = [];

    public DeviceProperties Properties { get; init; } = device.Properties;

    public IDeviceMemory Allocate(long byteCount) => device.Allocate(byteCount);

    public IDeviceStream CreateStream() => new Stream(this, device.CreateStream());

    public IDeviceKernel Load(CompiledKernel kernel) => device.Load(kernel);

    public void RefuseRecording(nint callerStream) => device.RefuseRecording(callerStream);

    public void Dispose() => device.Dispose();

    private sealed class Stream(ClockedDevice owner, IDeviceStream stream) : IDeviceStream
    {
        private bool _isRecording;

        public void Upload(HostRows rows, IDeviceMemory destination, long byteOffset = 0,
            CancellationToken cancellationToken = default)
        {
            owner.Log.Add("upload");
            stream.Upload(rows, destination, byteOffset, cancellationToken);
        }

        public void Download(IDeviceMemory source, Span<byte> destination, long byteOffset = 0)
        {
            owner.Log.Add("download");
            stream.Download(source, destination, byteOffset);
        }

        public void Launch(IDeviceKernel kernel, LaunchSize size, ReadOnlySpan<byte> arguments)
        {
            stream.Launch(kernel, size, arguments);
            if (_isRecording)
                return;
            owner._now++;
            owner.Log.Add(kernel.Kernel.Name);
        }

        public void Copy(ulong source, ulong destination, long byteCount)
            => stream.Copy(source, destination, byteCount);

        public void Clear(ulong address, long byteCount) => stream.Clear(address, byteCount);

        public IDeviceGraph? Capture(Action work)
        {
            _isRecording = true;
            try
            {
                return stream.Capture(work);
            }
            finally
            {
                _isRecording = false;
            }
        }

        public bool TryLaunch(IDeviceGraph graph)
        {
            owner._now++;
            owner.Log.Add("graph");
            return stream.TryLaunch(graph);
        }

        public void WaitFor(nint callerStream) => stream.WaitFor(callerStream);

        public void Release(nint callerStream) => stream.Release(callerStream);

        public IDeviceTimer CreateTimer() => new Timer(owner);

        public void Synchronize()
        {
            owner.Log.Add("synchronize");
            stream.Synchronize();
        }

        public void Dispose() => stream.Dispose();
    }

    private sealed class Timer(ClockedDevice owner) : IDeviceTimer
    {
        private double _start = double.NaN;
        private double _stop = double.NaN;

        public void Start()
        {
            owner.Log.Add("start");
            (_start, _stop) = (owner._now, double.NaN);
        }

        public void Stop()
        {
            owner.Log.Add("stop");
            _stop = owner._now;
        }

        public double GetMilliseconds() => _stop - _start;

        public void Dispose()
        {
        }
    }
}
