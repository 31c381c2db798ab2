namespace MsResampler.Cpu;

/// <summary>Buffers that went out of use and wait for the next one of their size, so that operands of ever new grids are
/// made without allocating. One that nobody has taken for a minute is left to the collector.</summary>
/// <param name="clock">The time; the system's when left out.</param>
internal sealed class BufferPool(TimeProvider? clock = null)
{
    private static readonly TimeSpan s_kept = TimeSpan.FromMinutes(1);

    private const int SmallestCount = 64;

    private readonly TimeProvider _clock = clock ?? TimeProvider.System;

    /// <summary>Sizes between one power of two and the next: at most an eighth of a buffer is surplus.</summary>
    private const int SizesPerPower = 8;

    private readonly Dictionary<int, List<(AlignedBuffer Buffer, long Since)>> _idle = [];

    /// <summary>Memory that waits to be used again.</summary>
    public long IdleBytes
    {
        get
        {
            lock (_idle)
                return _idle.Sum(size => sizeof(float) * (long)size.Key * size.Value.Count);
        }
    }

    /// <summary>A buffer of at least <paramref name="count"/> floats, whose content is left over from its last use.
    /// </summary>
    public AlignedBuffer Rent(long count)
    {
        long size = SizeOf(count);
        lock (_idle)
        {
            if (size <= int.MaxValue && _idle.TryGetValue((int)size, out List<(AlignedBuffer Buffer, long Since)>? waiting)
                && waiting.Count > 0)
            {
                AlignedBuffer buffer = waiting[^1].Buffer;
                waiting.RemoveAt(waiting.Count - 1);
                return buffer;
            }
        }

        return new AlignedBuffer(size);
    }

    /// <summary>Takes back a buffer that nobody reads or writes any more.</summary>
    public void Return(AlignedBuffer buffer)
    {
        long now = _clock.GetTimestamp();
        lock (_idle)
        {
            if (!_idle.TryGetValue(buffer.Count, out List<(AlignedBuffer Buffer, long Since)>? waiting))
                _idle.Add(buffer.Count, waiting = []);
            waiting.Add((buffer, now));
            // The one that was returned last is taken first, so the first of a list has waited longest.
            foreach (List<(AlignedBuffer Buffer, long Since)> size in _idle.Values)
                if (size.Count > 0 && _clock.GetElapsedTime(size[0].Since, now) > s_kept)
                    size.RemoveAt(0);
        }
    }

    private static long SizeOf(long count)
    {
        if (count <= SmallestCount)
            return SmallestCount;
        long step = (1L << System.Numerics.BitOperations.Log2((ulong)count - 1)) / SizesPerPower;
        long size = (count + step - 1) / step * step;
        return count <= AlignedBuffer.MaxCount ? Math.Min(size, AlignedBuffer.MaxCount) : size;
    }
}
