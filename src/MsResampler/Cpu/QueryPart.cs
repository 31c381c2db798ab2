namespace MsResampler.Cpu;

/// <summary>A part of a scope whose keys are absorbed: one table per query, query row or query column.</summary>
/// <param name="key">What the part depends on.</param>
/// <param name="memory">The tables.</param>
/// <param name="queryStride">Floats between tables.</param>
internal abstract unsafe class QueryPart(PartKey key, AlignedBuffer memory, nint queryStride) : GridPart(key, memory)
{
    /// <summary>The table of a query, query row or query column.</summary>
    public float* At(int query) => Memory.Pointer + (query * queryStride);
}
