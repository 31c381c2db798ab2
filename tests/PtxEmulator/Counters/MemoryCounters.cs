namespace PtxEmulator.Counters;

/// <summary>The counters of one memory instruction, over all warps of a worker.</summary>
internal struct MemoryCounters
{
    public long LoadBytes;
    public long LoadSectors;
    public long IdealLoadSectors;
    public long StoreBytes;
    public long StoreSectors;
    public long IdealStoreSectors;
    public long ExtraWavefronts;
    public long AsyncCopyBytes;
    public long WarpgroupBytes;

    public void Add(in MemoryCounters other)
    {
        LoadBytes += other.LoadBytes;
        LoadSectors += other.LoadSectors;
        IdealLoadSectors += other.IdealLoadSectors;
        StoreBytes += other.StoreBytes;
        StoreSectors += other.StoreSectors;
        IdealStoreSectors += other.IdealStoreSectors;
        ExtraWavefronts += other.ExtraWavefronts;
        AsyncCopyBytes += other.AsyncCopyBytes;
        WarpgroupBytes += other.WarpgroupBytes;
    }
}
