namespace MsResampler.Cpu;

/// <summary>Assigns consecutive parts of one block of memory. With a start of null it only counts them.</summary>
/// <param name="start">The block, aligned to cache lines.</param>
internal unsafe struct PassMemory(float* start)
{
    private readonly float* _start = start;
    private float* _next = start;

    /// <summary>Floats that the parts take.</summary>
    public readonly long Count => _next - _start;

    /// <summary>Takes <paramref name="count"/> floats, rounded up to whole cache lines.</summary>
    public float* Take(long count)
    {
        float* taken = _next;
        _next += (count + 15) & ~15L;
        return taken;
    }
}
