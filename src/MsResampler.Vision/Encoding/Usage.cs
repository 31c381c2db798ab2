namespace MsResampler.Vision;

/// <summary>Counts the calls that use a native object, so that it is freed after the last one.</summary>
internal sealed class Usage
{
    private readonly object _lock = new();
    private int _count;
    private bool _isClosed;

    /// <summary>Starts a call. Disposing the result ends it.</summary>
    /// <param name="owner">Named by the exception.</param>
    /// <exception cref="ObjectDisposedException">The object was freed.</exception>
    public Lease Enter(object owner)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_isClosed, owner);
            _count++;
        }

        return new Lease(this);
    }

    /// <summary>Rejects new calls, waits for those in progress, and then frees the object once.</summary>
    public void Close(Action free)
    {
        lock (_lock)
        {
            if (_isClosed)
                return;
            _isClosed = true;
            while (_count > 0)
                Monitor.Wait(_lock);
        }

        free();
    }

    private void Leave()
    {
        lock (_lock)
        {
            if (--_count == 0)
                Monitor.PulseAll(_lock);
        }
    }

    /// <summary>A call in progress.</summary>
    public readonly struct Lease(Usage usage) : IDisposable
    {
        public void Dispose() => usage.Leave();
    }
}
