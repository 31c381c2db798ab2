namespace MsResampler.Cpu;

/// <summary>Memory that a product prefetches while it computes another panel: the stored elements of a panel of any
/// type. The default is none.</summary>
internal readonly unsafe struct PanelMemory(float* start, nint bytes)
{
    private const int LineFloats = 16;

    private readonly float* _end = (float*)((byte*)start + bytes);

    /// <summary>The first cache line; null if there are none.</summary>
    public float* Start { get; } = start;

    /// <summary>The memory after the first cache lines.</summary>
    /// <param name="lineCount">The number of cache lines.</param>
    public PanelMemory After(int lineCount)
    {
        nint floats = (nint)lineCount * LineFloats;
        return floats >= _end - Start ? default : new PanelMemory(Start + floats, (nint)((byte*)_end - (byte*)Start));
    }
}
