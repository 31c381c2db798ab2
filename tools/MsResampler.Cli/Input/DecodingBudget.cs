namespace MsResampler.Cli.Input;

/// <summary>Limits the memory that all readers together use to decode pictures. A reader waits until the memory for its
/// picture is free.</summary>
/// <param name="capacity">The limit in bytes.</param>
internal sealed class DecodingBudget(long capacity)
{
    private readonly object _lock = new();
    private long _free = capacity;

    /// <summary>The limit in bytes.</summary>
    public long Capacity { get; } = capacity;

    /// <summary>Waits until bytes are free and reserves them. Disposing the result frees them.</summary>
    /// <param name="bytes">The number of bytes, at most <see cref="Capacity"/>.</param>
    public Lease Acquire(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes, Capacity);
        lock (_lock)
        {
            while (_free < bytes)
                Monitor.Wait(_lock);
            _free -= bytes;
        }

        return new Lease(this, bytes);
    }

    private void Release(long bytes)
    {
        lock (_lock)
        {
            _free += bytes;
            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>Reserved bytes.</summary>
    public readonly struct Lease(DecodingBudget budget, long bytes) : IDisposable
    {
        public void Dispose() => budget.Release(bytes);
    }
}
