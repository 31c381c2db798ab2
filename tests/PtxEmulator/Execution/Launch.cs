using PtxEmulator.Counters;
using PtxEmulator.Decoding;
using PtxEmulator.Memory;

namespace PtxEmulator.Execution;

/// <summary>One launch of a kernel.</summary>
internal sealed class Launch
{
    private readonly Lock _lock = new();
    private readonly LaunchCounters _counters;
    private long _nextBlock;
    private long _faultedBlock = long.MaxValue;
    private PtxFaultException? _fault;
    private bool _hasWaited;

    public Launch(KernelCode code) => (Code, _counters) = (code, new LaunchCounters(code));

    public KernelCode Code { get; }

    public required GlobalMemory Memory { get; init; }

    public required Dim3 Grid { get; init; }

    public required Dim3 Block { get; init; }

    public required int DynamicSharedBytes { get; init; }

    /// <summary>Whether the launch may begin before the one before it has ended.</summary>
    public required bool IsDependent { get; init; }

    /// <summary>The bytes of the parameters.</summary>
    public required unsafe byte* Parameters { get; init; }

    public required int ParameterBytes { get; init; }

    public required EmulatorOptions Options { get; init; }

    /// <summary>The accesses of the blocks to global memory; null if there is one block.</summary>
    public required BlockAccesses? Accesses { get; init; }

    /// <summary>The addresses of the module's variables in global memory.</summary>
    public required IReadOnlyDictionary<Variable, ulong> GlobalAddresses { get; init; }

    public int SharedBytes => DynamicSharedBytes == 0 ? Code.StaticSharedBytes
        : Code.DynamicSharedOffset + DynamicSharedBytes;

    /// <summary>The address of a variable in its own state space.</summary>
    public ulong AddressOf(Variable variable)
        => GlobalAddresses.TryGetValue(variable, out ulong address) ? address
            : variable.IsDynamic ? (ulong)Code.DynamicSharedOffset : (ulong)Code.Offsets[variable];

    /// <summary>Describes the location of a global address in words.</summary>
    public required Func<ulong, string> DescribeGlobal { get; init; }

    /// <summary>Runs all blocks.</summary>
    public LaunchReport Run()
    {
        Accesses?.Begin(Grid.Count, Code.GlobalCellShift);
        // The order of atomics affects their return values and rounded sums; with one worker it is fixed.
        int count = Code.HasGlobalAtomics ? 1 : (int)Math.Min(Options.Workers, Grid.Count);
        var others = new Task[Math.Max(count - 1, 0)];
        for (int other = 0; other < others.Length; other++)
            others[other] = Task.Run(RunBlocks);
        RunBlocks();
        Task.WaitAll(others);
        if (_fault != null)
            throw _fault;
        // Then this launch could end before the one before, and the next one, which waits for this one only, begin.
        if (IsDependent && !_hasWaited)
        {
            throw new PtxFaultException(PtxFaultKind.DependencyNotWaited, "no thread of a dependent launch has "
                + "executed griddepcontrol.wait: a launch after it would not wait for the launch before it",
                new FaultSite(Code.Name, "griddepcontrol.wait", 0, null, null, null));
        }
        return _counters.ToReport();
    }

    private void RunBlocks()
    {
        using var block = new Block(this);
        while (true)
        {
            long index = Interlocked.Increment(ref _nextBlock) - 1;
            // Blocks before a faulted block still run, so that the first fault of the grid is reported.
            if (index >= Grid.Count || index > Interlocked.Read(ref _faultedBlock))
                break;
            try
            {
                block.Run(index);
            }
            catch (PtxFaultException exception)
            {
                lock (_lock)
                {
                    if (index < _faultedBlock)
                        (_faultedBlock, _fault) = (index, exception);
                }
            }
        }
        lock (_lock)
        {
            _counters.Add(block);
            _hasWaited |= block.HasWaited;
        }
    }
}
