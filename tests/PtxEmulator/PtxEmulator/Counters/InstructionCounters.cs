namespace PtxEmulator.Counters;

/// <summary>What one instruction did in all warps of a worker.</summary>
internal struct InstructionCounters
{
    public long Executions;
    public long Threads;
    public long LoadBytes;
    public long LoadSectors;
    public long IdealLoadSectors;
    public long StoreBytes;
    public long StoreSectors;
    public long IdealStoreSectors;
    public long ExtraWavefronts;
    public long AsyncCopyBytes;

    public void Add(in InstructionCounters other)
    {
        Executions += other.Executions;
        Threads += other.Threads;
        LoadBytes += other.LoadBytes;
        LoadSectors += other.LoadSectors;
        IdealLoadSectors += other.IdealLoadSectors;
        StoreBytes += other.StoreBytes;
        StoreSectors += other.StoreSectors;
        IdealStoreSectors += other.IdealStoreSectors;
        ExtraWavefronts += other.ExtraWavefronts;
        AsyncCopyBytes += other.AsyncCopyBytes;
    }
}
