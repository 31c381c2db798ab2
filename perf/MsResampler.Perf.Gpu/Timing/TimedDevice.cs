using MsResampler.Kernels.Compiler;
using MsResampler.Kernels.Device;

namespace MsResampler.Perf.Timing;

/// <summary>A device that measures what an engine has it do, without the engine knowing. While it measures, calls come
/// from one thread.</summary>
/// <param name="device">Does the work; disposed with this.</param>
internal sealed class TimedDevice(IDevice device) : IDevice
{
    private readonly List<TimedLaunch> _launches = [];
    private double _forwardMilliseconds;

    public DeviceProperties Properties => device.Properties;

    /// <summary>What is measured from the next call on.</summary>
    public TimingMode Mode { get; set; }

    /// <summary>Work that is started before what is measured; not measured itself. A forward pass begins when it is
    /// done, single launches begin beside it.</summary>
    public Action<IDeviceStream> Prelude { get; set; } = _ => { };

    public IDeviceMemory Allocate(long byteCount) => device.Allocate(byteCount);

    public IDeviceStream CreateStream() => new TimedStream(this, device.CreateStream());

    public IDeviceKernel Load(CompiledKernel kernel) => device.Load(kernel);

    public void RefuseRecording(nint callerStream) => device.RefuseRecording(callerStream);

    public void Dispose() => device.Dispose();

    /// <summary>The launches since this was last asked, in their order.</summary>
    public IReadOnlyList<TimedLaunch> TakeLaunches()
    {
        TimedLaunch[] launches = [.. _launches];
        _launches.Clear();
        return launches;
    }

    /// <summary>The time of forward passes since this was last asked, in milliseconds; a large batch takes several.
    /// </summary>
    public double TakeForward()
    {
        double milliseconds = _forwardMilliseconds;
        _forwardMilliseconds = 0;
        return milliseconds;
    }

    /// <summary>Adds what a stream has measured.</summary>
    internal void Add(TimedLaunch launch) => _launches.Add(launch);

    /// <summary>Adds what a stream has measured.</summary>
    internal void AddForward(double milliseconds) => _forwardMilliseconds += milliseconds;
}
