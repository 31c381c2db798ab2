namespace MsResampler.Cli.Input;

/// <summary>Memory that all readers decode pictures in: a picture waits until what it needs is free.</summary>
/// <param name="capacity">Bytes in all.</param>
internal sealed class DecodingBudget(long capacity)
{
    private readonly object _lock = new();
    private long _free = capacity;

    /// <summary>Bytes in all.</summary>
    public long Capacity { get; } = capacity;

    /// <summary>Takes bytes, at most <see cref="Capacity"/>, once they are free; disposing the lease gives them
    /// back.</summary>
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

    /// <summary>Bytes taken.</summary>
    public readonly struct Lease(DecodingBudget budget, long bytes) : IDisposable
    {
        public void Dispose() => budget.Release(bytes);
    }
}
