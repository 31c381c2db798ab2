using MsResampler.Server.Protocol;

namespace MsResampler.Server.Limits;

/// <summary>The memory that requests in progress may occupy together: bodies, features and answers. A request reserves
/// before it allocates, so that many large requests at once cannot exhaust the process.</summary>
/// <param name="capacity">The number of bytes.</param>
internal sealed class MemoryBudget(long capacity)
{
    private long _used;

    /// <summary>The number of bytes of all requests.</summary>
    public long Capacity { get; } = capacity;

    /// <summary>The number of bytes that are reserved.</summary>
    public long Used => Interlocked.Read(ref _used);

    /// <summary>Starts the lease of a request, with no bytes.</summary>
    public MemoryLease Open() => new(this);

    /// <summary>Reserves bytes.</summary>
    /// <exception cref="ServerException">There is not enough room now (<see cref="ErrorKind.Busy"/>), or there never is
    /// (<see cref="ErrorKind.TooLarge"/>).</exception>
    internal void Take(long count, long held)
    {
        if (held + count > Capacity)
        {
            throw new ServerException(ErrorKind.TooLarge, $"expected a request that occupies at most {Capacity} bytes, "
                + $"the memory for requests, found one of at least {held + count}");
        }

        long used;
        do
        {
            used = Used;
            if (used + count > Capacity)
            {
                throw new ServerException(ErrorKind.Busy, "the memory for requests is full; try again later")
                {
                    RetryAfter = TimeSpan.FromSeconds(1),
                };
            }
        }
        while (Interlocked.CompareExchange(ref _used, used + count, used) != used);
    }

    /// <summary>Frees bytes.</summary>
    internal void Free(long count) => Interlocked.Add(ref _used, -count);
}
