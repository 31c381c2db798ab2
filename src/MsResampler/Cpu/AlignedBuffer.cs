namespace MsResampler.Cpu;

/// <summary>Floats that never move, from a 64-byte boundary on: the collector owns them, so nothing can be used after
/// it was freed.</summary>
internal sealed unsafe class AlignedBuffer
{
    private const int AlignmentBytes = 64;

    private readonly float[] _storage;

    public AlignedBuffer(long count)
    {
        const int Slack = AlignmentBytes / sizeof(float);
        if (count > Array.MaxLength - Slack)
            throw new InsufficientMemoryException($"a buffer of {count} floats exceeds the largest array");
        _storage = GC.AllocateArray<float>((int)count + Slack, pinned: true);
        Count = (int)count;
        fixed (float* start = _storage)
            Pointer = (float*)(((nuint)start + AlignmentBytes - 1) & ~(nuint)(AlignmentBytes - 1));
    }

    /// <summary>The number of floats; all are zero at first.</summary>
    public int Count { get; }

    /// <summary>The first float. Valid while this object is reachable.</summary>
    public float* Pointer { get; }

    public Span<float> Span => new(Pointer, Count);

    public static AlignedBuffer Copy(ReadOnlySpan<float> values)
    {
        AlignedBuffer buffer = new(values.Length);
        values.CopyTo(buffer.Span);
        return buffer;
    }
}
