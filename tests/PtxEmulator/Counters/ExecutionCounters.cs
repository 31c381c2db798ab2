namespace PtxEmulator.Counters;

/// <summary>The number of executions of one instruction. It is separate from the memory counters so that the counters
/// of an arithmetic loop fit in the first-level cache.</summary>
internal struct ExecutionCounters
{
    public long Warps;
    public long Threads;
}
