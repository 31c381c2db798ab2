namespace MsResampler.Perf.Timing;

/// <summary>A stream of a <see cref="TimedDevice"/>. A measurement starts with the first launch and ends before the
/// next copy from or to the host.</summary>
internal sealed class TimedStream(TimedDevice owner, IDeviceStream stream) : IDeviceStream
{
    private readonly Stack<IDeviceTimer> _idleTimers = new();
    private readonly List<(IDeviceTimer Timer, string Kernel, LaunchSize Size)> _running = [];
    private IDeviceTimer? _forward;
    private bool _hasBegun;
    private bool _isRecording;

    public void Upload(HostRows rows, IDeviceMemory destination, long byteOffset = 0,
        CancellationToken cancellationToken = default)
    {
        End();
        stream.Upload(rows, destination, byteOffset, cancellationToken);
    }

    public void Download(IDeviceMemory source, Span<byte> destination, long byteOffset = 0)
    {
        End();
        stream.Download(source, destination, byteOffset);
    }

    public void Launch(IDeviceKernel kernel, LaunchSize size, ReadOnlySpan<byte> arguments)
    {
        size = owner.SizeOf(kernel, size, arguments);
        Begin();
        if (owner.Mode != TimingMode.Launches)
        {
            stream.Launch(kernel, size, arguments);
            return;
        }

        IDeviceTimer timer = _idleTimers.TryPop(out IDeviceTimer? idle) ? idle : CreateTimer();
        timer.Start();
        stream.Launch(kernel, size, arguments);
        timer.Stop();
        _running.Add((timer, kernel.Kernel.Name, size));
    }

    public void Copy(ulong source, ulong destination, long byteCount)
    {
        Begin();
        stream.Copy(source, destination, byteCount);
    }

    // Not measured: the engine clears memory when it lays it out, before a pass.
    public void Clear(ulong address, long byteCount) => stream.Clear(address, byteCount);

    public IDeviceGraph? Capture(Action work)
    {
        if (owner.Mode == TimingMode.Launches)
            return null;
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
        if (owner.Mode == TimingMode.Launches)
            return false;
        Begin();
        return stream.TryLaunch(graph);
    }

    public void WaitFor(nint callerStream) => stream.WaitFor(callerStream);

    public void Release(nint callerStream) => stream.Release(callerStream);

    public IDeviceTimer CreateTimer() => stream.CreateTimer()
        ?? throw new NotSupportedException($"{owner.Properties.Name} has no timer; measure on a CUDA device");

    public void Synchronize()
    {
        End();
        stream.Synchronize();
    }

    public void Dispose()
    {
        foreach ((IDeviceTimer timer, _, _) in _running)
            timer.Dispose();
        foreach (IDeviceTimer timer in _idleTimers)
            timer.Dispose();
        _forward?.Dispose();
        stream.Dispose();
    }

    private void Begin()
    {
        if (_hasBegun || _isRecording || owner.Mode == TimingMode.None)
            return;
        _hasBegun = true;
        owner.Prelude(stream);
        if (owner.Mode == TimingMode.Launches)
            return;
        _forward ??= CreateTimer();
        stream.Synchronize();
        _forward.Start();
    }

    private void End()
    {
        if (!_hasBegun)
            return;
        _hasBegun = false;
        if (owner.Mode == TimingMode.Forward)
        {
            _forward!.Stop();
            owner.AddForward(_forward.GetMilliseconds());
        }

        foreach ((IDeviceTimer timer, string kernel, LaunchSize size) in _running)
        {
            owner.Add(new TimedLaunch(kernel, size, timer.GetMilliseconds()));
            _idleTimers.Push(timer);
        }

        _running.Clear();
    }
}
