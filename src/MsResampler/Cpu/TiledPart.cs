namespace MsResampler.Cpu;

/// <summary>A part of a scope whose keys are projected: one table per tile of queries, and per head where heads
/// differ.</summary>
/// <param name="key">What the part depends on.</param>
/// <param name="memory">The tables.</param>
/// <param name="offsets">Per tile, the floats before its table.</param>
/// <param name="headStrides">Per tile, the floats between the tables of two heads; 0 where heads share one
/// table.</param>
internal abstract unsafe class TiledPart(PartKey key, AlignedBuffer memory, nint[] offsets, int[] headStrides)
    : GridPart(key, memory)
{
    /// <summary>The table of a tile and head, [·, lanes].</summary>
    public float* At(int tile, int head) => Memory.Pointer + offsets[tile] + ((nint)head * headStrides[tile]);
}
