namespace MsResampler.Perf.Timing;

/// <summary>A device that measures the work of an engine; the engine needs no change for that. While the device
/// measures, all calls must come from one thread.</summary>
/// <param name="device">The device that does the work; it is disposed together with this object.</param>
/// <param name="variant">How to compute the products; null for the engine's choice.</param>
/// <param name="compiler">Compiles the kernels of a variant with a tile.</param>
internal sealed class TimedDevice(IDevice device, EngineVariant? variant = null, KernelCompiler? compiler = null)
    : IDevice
{
    private readonly TileReplacement? _tile = variant?.Tile is { } tile ? new(tile, compiler!) : null;
    private readonly List<TimedLaunch> _launches = [];
    private double _forwardMilliseconds;

    /// <inheritdoc/>
    /// <remarks>Without wgmma, a Hopper device is any device of sm_90.</remarks>
    public DeviceProperties Properties { get; } = variant?.IsWithoutWarpgroups == true
        ? device.Properties with { IsHopper = false } : device.Properties;

    /// <summary>Selects what the next calls measure.</summary>
    public TimingMode Mode { get; set; }

    /// <summary>Unmeasured work that is started before a measurement. A forward pass starts when this work is done;
    /// single launches queue up while it runs.</summary>
    public Action<IDeviceStream> Prelude { get; set; } = _ => { };

    public IDeviceMemory Allocate(long byteCount) => device.Allocate(byteCount);

    public IDeviceStream CreateStream() => new TimedStream(this, device.CreateStream());

    public IDeviceKernel Load(CompiledKernel kernel)
        => _tile?.Load(device, kernel, Properties.Target) ?? device.Load(kernel);

    /// <summary>The size of a launch, with the tile of this device.</summary>
    internal LaunchSize SizeOf(IDeviceKernel kernel, LaunchSize size, ReadOnlySpan<byte> arguments)
        => _tile?.SizeOf(kernel, size, arguments, Properties) ?? size;

    public void RefuseRecording(nint callerStream) => device.RefuseRecording(callerStream);

    public void Dispose() => device.Dispose();

    /// <summary>Returns the launches since the last call of this method, in order.</summary>
    public IReadOnlyList<TimedLaunch> TakeLaunches()
    {
        TimedLaunch[] launches = [.. _launches];
        _launches.Clear();
        return launches;
    }

    /// <summary>Returns the time of the forward passes since the last call of this method, in milliseconds. A large
    /// batch takes several passes.</summary>
    public double TakeForward()
    {
        double milliseconds = _forwardMilliseconds;
        _forwardMilliseconds = 0;
        return milliseconds;
    }

    /// <summary>Adds a launch that a stream has measured.</summary>
    internal void Add(TimedLaunch launch) => _launches.Add(launch);

    /// <summary>Adds the time of a forward pass that a stream has measured.</summary>
    internal void AddForward(double milliseconds) => _forwardMilliseconds += milliseconds;
}
