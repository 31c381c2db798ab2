using PtxEmulator.Decoding;

namespace PtxEmulator.Counters;

/// <summary>Adds up the counters of all workers of a launch.</summary>
internal sealed class LaunchCounters(KernelCode code)
{
    private readonly ExecutionCounters[] _executions = new ExecutionCounters[code.Instructions.Length];
    private readonly MemoryCounters[] _counters = new MemoryCounters[code.Instructions.Length];
    private long _barriers;

    public unsafe void Add(Block block)
    {
        for (int index = 0; index < _counters.Length; index++)
        {
            _executions[index].Warps += block.Executions[index].Warps;
            _executions[index].Threads += block.Executions[index].Threads;
            _counters[index].Add(block.Counters[index]);
        }
        _barriers += block.BarrierCount;
    }

    public LaunchReport ToReport()
    {
        var sum = default(MemoryCounters);
        var instructions = new SortedDictionary<string, long>(StringComparer.Ordinal);
        var conflicts = new SortedDictionary<(int Line, string Text), (long Executions, long Extra)>();
        long flops = 0;
        foreach (Instruction instruction in code.Instructions)
        {
            if (instruction.Source is not { } source)
                continue;
            ref MemoryCounters counters = ref _counters[instruction.Index];
            ExecutionCounters execution = _executions[instruction.Index];
            if (execution.Warps == 0)
                continue;
            sum.Add(counters);
            instructions[source.Opcode] = instructions.GetValueOrDefault(source.Opcode) + execution.Warps;
            flops += execution.Threads * instruction.Flops;
            if (counters.ExtraWavefronts == 0)
                continue;
            (long executions, long extra) = conflicts.GetValueOrDefault((source.Line, source.Text));
            conflicts[(source.Line, source.Text)]
                = (executions + execution.Warps, extra + counters.ExtraWavefronts);
        }
        return new LaunchReport
        {
            Kernel = code.Name,
            Instructions = instructions,
            Flops = flops,
            GlobalLoadBytes = sum.LoadBytes,
            GlobalStoreBytes = sum.StoreBytes,
            GlobalLoadSectors = sum.LoadSectors,
            GlobalStoreSectors = sum.StoreSectors,
            IdealLoadSectors = sum.IdealLoadSectors,
            IdealStoreSectors = sum.IdealStoreSectors,
            SharedBankConflicts = [.. conflicts.Select(pair => new SharedBankConflict(pair.Key.Line, pair.Key.Text,
                pair.Value.Executions, pair.Value.Extra))],
            Barriers = _barriers,
            AsyncCopyBytes = sum.AsyncCopyBytes,
            WarpgroupSharedBytes = sum.WarpgroupBytes,
        };
    }
}
