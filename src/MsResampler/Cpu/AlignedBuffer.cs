namespace MsResampler.Cpu;

/// <summary>Floats that never move, from a 64-byte boundary on: the collector owns them, so nothing can be used after
/// it was freed.</summary>
internal sealed unsafe class AlignedBuffer
{
    private const int AlignmentBytes = 64;

    private const int Slack = AlignmentBytes / sizeof(float);

    [ThreadStatic]
    private static Func<int, (object Owner, nint Address)>? s_memory;

    // Keeps what Pointer points to.
    private readonly object _owner;

    public AlignedBuffer(long count)
    {
        if (count > MaxCount)
            throw new InsufficientMemoryException($"a buffer of {count} floats exceeds the largest array");
        Count = (int)count;
        if (s_memory is { } memory)
        {
            (_owner, nint address) = memory(Count);
            Pointer = (float*)address;
            return;
        }

        float[] storage = GC.AllocateArray<float>((int)count + Slack, pinned: true);
        _owner = storage;
        fixed (float* start = storage)
            Pointer = (float*)(((nuint)start + AlignmentBytes - 1) & ~(nuint)(AlignmentBytes - 1));
    }

    /// <summary>The most floats that a buffer can hold.</summary>
    public static int MaxCount { get; } = Array.MaxLength - Slack;

    /// <summary>The number of floats; all are zero at first.</summary>
    public int Count { get; }

    /// <summary>The first float. Valid while this object is reachable.</summary>
    public float* Pointer { get; }

    public Span<float> Span => new(Pointer, Count);

    /// <summary>Takes the memory of buffers that this thread makes from elsewhere, aligned as it comes, or from the
    /// collector again: tests put a page behind a kernel's operands that cannot be read.</summary>
    /// <param name="memory">What makes zeroed memory for a number of floats, and what keeps it; null for the collector.
    /// </param>
    public static void TakeMemoryFrom(Func<int, (object Owner, nint Address)>? memory) => s_memory = memory;

    public static AlignedBuffer Copy(ReadOnlySpan<float> values)
    {
        AlignedBuffer buffer = new(values.Length);
        values.CopyTo(buffer.Span);
        return buffer;
    }
}
