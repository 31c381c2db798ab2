namespace MsResampler.Cpu;

/// <summary>Unused buffers, kept by size for reuse, so that operands of new grids need no new memory. A buffer
/// that is not reused within a minute is left to the garbage collector.</summary>
/// <param name="clock">The clock; null for the system clock.</param>
internal sealed class BufferPool(TimeProvider? clock = null)
{
    private static readonly TimeSpan s_kept = TimeSpan.FromMinutes(1);

    private const int SmallestCount = 64;

    private readonly TimeProvider _clock = clock ?? TimeProvider.System;

    /// <summary>Buffer sizes per power of two, so that at most an eighth of a buffer is unused.</summary>
    private const int SizesPerPower = 8;

    private readonly Dictionary<int, List<(AlignedBuffer Buffer, long Since)>> _idle = [];

    /// <summary>Memory of the unused buffers, in bytes.</summary>
    public long IdleBytes
    {
        get
        {
            lock (_idle)
                return _idle.Sum(size => sizeof(float) * (long)size.Key * size.Value.Count);
        }
    }

    /// <summary>Returns a buffer of at least <paramref name="count"/> floats. Its content is undefined.</summary>
    public AlignedBuffer Rent(long count)
    {
        long size = SizeOf(count);
        lock (_idle)
        {
            if (size <= int.MaxValue
                && _idle.TryGetValue((int)size, out List<(AlignedBuffer Buffer, long Since)>? waiting)
                && waiting.Count > 0)
            {
                AlignedBuffer buffer = waiting[^1].Buffer;
                waiting.RemoveAt(waiting.Count - 1);
                return buffer;
            }
        }

        return new AlignedBuffer(size);
    }

    /// <summary>Takes back a buffer. The caller must not use it afterwards.</summary>
    public void Return(AlignedBuffer buffer)
    {
        long now = _clock.GetTimestamp();
        lock (_idle)
        {
            if (!_idle.TryGetValue(buffer.Count, out List<(AlignedBuffer Buffer, long Since)>? waiting))
                _idle.Add(buffer.Count, waiting = []);
            waiting.Add((buffer, now));
            // Rent takes the last buffer of a list, so the first one has been unused for the longest time.
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
