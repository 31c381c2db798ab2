namespace PtxEmulator.Counters;

/// <summary>How often one instruction ran. Apart from what memory accesses count, so that the counters of a loop's
/// arithmetic stay in the nearest cache.</summary>
internal struct ExecutionCounters
{
    public long Warps;
    public long Threads;
}
