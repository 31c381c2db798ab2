namespace MsResampler.Vision;

/// <summary>Limits the memory of all images that are read and decoded at the same time. A caller waits until its memory
/// is free. It first reserves memory for the encoded bytes and, while it holds them, memory to decode them. No
/// deadlock is possible: encoded bytes take at most a quarter of the capacity, so that, once all others who decode are
/// done, the first who waits to decode fits; and nobody waits for anything while decoding.</summary>
/// <param name="capacity">The limit in bytes.</param>
internal sealed class DecodingBudget(long capacity)
{
    private readonly object _lock = new();
    private readonly LinkedList<object> _readers = [];
    private readonly LinkedList<object> _decoders = [];
    private long _capacity = capacity;
    private long _encoded;
    private long _decoding;

    /// <summary>The limit in bytes. If it shrinks, running images are not affected.</summary>
    public long Capacity
    {
        get => Interlocked.Read(ref _capacity);
        set
        {
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(value);
            lock (_lock)
            {
                _capacity = value;
                Monitor.PulseAll(_lock);
            }
        }
    }

    /// <summary>The largest memory for the encoded bytes of one image, and of all.</summary>
    public long MaxEncodedBytes => Capacity / 4;

    /// <summary>The largest memory to decode one image.</summary>
    public long MaxDecodingBytes => Capacity - MaxEncodedBytes;

    /// <summary>The reserved bytes.</summary>
    public long Reserved
    {
        get
        {
            lock (_lock)
                return _encoded + _decoding;
        }
    }

    /// <summary>Waits until memory for encoded bytes is free. Disposing the result frees it.</summary>
    /// <param name="bytes">The number of bytes.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ArgumentOutOfRangeException">The bytes exceed <see cref="MaxEncodedBytes"/>.</exception>
    public Lease AcquireEncoded(long bytes, CancellationToken cancellationToken)
        => Acquire(bytes, isEncoded: true, cancellationToken);

    /// <summary>Waits until memory to decode is free. Disposing the result frees it.</summary>
    /// <param name="bytes">The number of bytes.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ArgumentOutOfRangeException">The bytes exceed <see cref="MaxDecodingBytes"/>.</exception>
    public Lease AcquireDecoding(long bytes, CancellationToken cancellationToken)
        => Acquire(bytes, isEncoded: false, cancellationToken);

    private Lease Acquire(long bytes, bool isEncoded, CancellationToken cancellationToken)
    {
        // Disposed after the lock: this waits for a callback that takes the lock.
        using CancellationTokenRegistration registration = cancellationToken.Register(Wake);
        lock (_lock)
        {
            LinkedList<object> queue = isEncoded ? _readers : _decoders;
            LinkedListNode<object> place = queue.AddLast(new object());
            try
            {
                while (true)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes,
                        isEncoded ? MaxEncodedBytes : MaxDecodingBytes);
                    // In order of arrival: otherwise small images could hold up a large one for ever.
                    if (queue.First == place && Fits(bytes, isEncoded))
                        break;
                    Monitor.Wait(_lock);
                }

                Add(bytes, isEncoded);
            }
            finally
            {
                queue.Remove(place);
                Monitor.PulseAll(_lock);
            }
        }

        return new Lease(this, bytes, isEncoded);
    }

    private bool Fits(long bytes, bool isEncoded) => _encoded + _decoding + bytes <= _capacity
        && (!isEncoded || _encoded + bytes <= MaxEncodedBytes);

    private void Add(long bytes, bool isEncoded)
    {
        if (isEncoded)
            _encoded += bytes;
        else
            _decoding += bytes;
    }

    private void Release(long bytes, bool isEncoded)
    {
        lock (_lock)
        {
            Add(-bytes, isEncoded);
            Monitor.PulseAll(_lock);
        }
    }

    private void Wake()
    {
        lock (_lock)
            Monitor.PulseAll(_lock);
    }

    /// <summary>Reserved bytes.</summary>
    public sealed class Lease(DecodingBudget budget, long bytes, bool isEncoded) : IDisposable
    {
        private long _bytes = bytes;

        /// <summary>Frees all but a number of bytes.</summary>
        public void ShrinkTo(long bytes)
        {
            if (bytes < _bytes)
                budget.Release(_bytes - bytes, isEncoded);
            _bytes = Math.Min(_bytes, bytes);
        }

        public void Dispose() => ShrinkTo(0);
    }
}
