namespace MsResampler.Cpu;

/// <summary>Pinned floats, aligned to 64 bytes. The garbage collector owns the memory, so it cannot be used
/// after it was freed.</summary>
internal sealed unsafe class AlignedBuffer
{
    private const int AlignmentBytes = 64;

    private const int Slack = AlignmentBytes / sizeof(float);

    [ThreadStatic]
    private static Func<int, (object Owner, nint Address)>? s_memory;

    // Keeps the memory of Pointer alive.
    private readonly object _owner;

    /// <summary>Allocates <paramref name="count"/> floats, all zero.</summary>
    /// <exception cref="InsufficientMemoryException">The buffer would exceed <see cref="MaxCount"/>.</exception>
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

    /// <summary>The largest number of floats that a buffer can hold.</summary>
    public static int MaxCount { get; } = Array.MaxLength - Slack;

    /// <summary>The number of floats.</summary>
    public int Count { get; }

    /// <summary>The address of the first float, valid while this object is reachable.</summary>
    public float* Pointer { get; }

    public Span<float> Span => new(Pointer, Count);

    /// <summary>Sets the source of memory for buffers that this thread allocates. Tests place operands before
    /// an unreadable page, which shows a kernel that reads past their end.</summary>
    /// <param name="memory">Returns zeroed memory for a number of floats, and an object that keeps it alive;
    /// null for the garbage collector. The memory need not be aligned.</param>
    public static void SetMemorySource(Func<int, (object Owner, nint Address)>? memory) => s_memory = memory;

    /// <summary>Allocates memory for values of another type, all zero, rounded up to whole floats.</summary>
    /// <exception cref="InsufficientMemoryException">The buffer would exceed <see cref="MaxCount"/>.</exception>
    public static AlignedBuffer OfBytes(long bytes) => new((bytes + sizeof(float) - 1) / sizeof(float));

    public static AlignedBuffer Copy(ReadOnlySpan<float> values)
    {
        AlignedBuffer buffer = new(values.Length);
        values.CopyTo(buffer.Span);
        return buffer;
    }
}
