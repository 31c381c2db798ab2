using MsResampler.Server.Protocol;

namespace MsResampler.Server.Limits;

/// <summary>What one request has reserved of a <see cref="MemoryBudget"/>. One thread at a time uses it.</summary>
internal sealed class MemoryLease : IDisposable
{
    private readonly MemoryBudget _budget;
    private long _held;

    internal MemoryLease(MemoryBudget budget) => _budget = budget;

    /// <summary>The number of bytes that the request has reserved.</summary>
    public long Held => Interlocked.Read(ref _held);

    /// <summary>Reserves more bytes.</summary>
    /// <exception cref="ServerException">There is not enough room now (<see cref="ErrorKind.Busy"/>), or there never is
    /// (<see cref="ErrorKind.TooLarge"/>).</exception>
    public void Grow(long count)
    {
        _budget.Take(count, _held);
        Interlocked.Add(ref _held, count);
    }

    /// <summary>Frees some of the bytes.</summary>
    public void Shrink(long count)
    {
        Interlocked.Add(ref _held, -count);
        _budget.Free(count);
    }

    /// <summary>Frees all bytes. Calling it again has no effect.</summary>
    public void Dispose() => _budget.Free(Interlocked.Exchange(ref _held, 0));
}
