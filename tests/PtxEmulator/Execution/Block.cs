using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Runtime.InteropServices;
using PtxEmulator.Counters;
using PtxEmulator.Memory;

namespace PtxEmulator.Execution;

/// <summary>Runs blocks of a grid, one after the other. The warps take turns; a seed decides their order and the
/// number of instructions per turn.</summary>
internal sealed unsafe class Block : IDisposable
{
    // Long enough to make the cost of switching negligible, short enough that the warps overlap.
    private const int MaxTurn = 1024;

    private readonly Launch _launch;
    private readonly Warp[] _warps;
    private readonly Warpgroup[] _groups;
    private readonly Barrier[] _barriers = new Barrier[Barrier.Count];
    private readonly BarrierClock _clock;
    private readonly ConstantFiller _constants;

    public Block(Launch launch)
    {
        _launch = launch;
        Size = launch.Block;
        int warpCount = (int)((Size.Count + Lanes.Count - 1) / Lanes.Count);
        _clock = new BarrierClock(warpCount);
        Shared = new SharedMemory(launch.SharedBytes, launch.Code.SharedCellShift, _clock, warpCount);
        if (launch.Code.ProductRegisters != null)
            Shared.TrackProducts();
        nuint instructionCount = (nuint)launch.Code.Instructions.Length;
        Executions = (ExecutionCounters*)NativeMemory.AllocZeroed(instructionCount, (nuint)sizeof(ExecutionCounters));
        Counters = (MemoryCounters*)NativeMemory.AllocZeroed(instructionCount, (nuint)sizeof(MemoryCounters));
        _warps = new Warp[warpCount];
        for (int warp = 0; warp < warpCount; warp++)
            _warps[warp] = new Warp(launch.Code, this, warp);
        long groupCount = Size.Count / (Warpgroup.WarpCount * Lanes.Count);
        _groups = new Warpgroup[launch.Code.ProductRegisters != null ? groupCount : 0];
        for (int group = 0; group < _groups.Length; group++)
        {
            _groups[group] = new Warpgroup(group * Warpgroup.WarpCount);
            for (int warp = 0; warp < Warpgroup.WarpCount; warp++)
                _warps[_groups[group].First + warp].Group = _groups[group];
        }
        for (int barrier = 0; barrier < _barriers.Length; barrier++)
            _barriers[barrier] = new Barrier();
        _constants = new ConstantFiller(launch);
    }

    public Dim3 Size { get; }

    /// <summary>The position of the block in the grid.</summary>
    public Dim3 Position { get; private set; }

    public SharedMemory Shared { get; }

    /// <summary>The record of the block in the launch's accesses; 0 if they are not recorded.</summary>
    public uint AccessRecord { get; private set; }

    public GlobalMemory Global => _launch.Memory;

    public Launch Launch => _launch;

    /// <summary>One counter per instruction, over all blocks that this object ran.</summary>
    public ExecutionCounters* Executions { get; private set; }

    /// <summary>The memory counters per instruction, over all blocks that this object ran.</summary>
    public MemoryCounters* Counters { get; private set; }

    /// <summary>The number of completed barriers in all blocks.</summary>
    public long BarrierCount { get; private set; }

    /// <summary>Whether a thread of a block that this object ran has waited for the launch before.</summary>
    public bool HasWaited { get; set; }

    /// <summary>Runs a block to completion.</summary>
    public void Run(long index)
    {
        Position = _launch.Grid.PositionOf(index);
        AccessRecord = _launch.Accesses?.RecordOf(index) ?? 0;
        _clock.Reset();
        Shared.Clear();
        foreach (Barrier barrier in _barriers)
            barrier.Reset();
        foreach (Warpgroup group in _groups)
            group.Reset();
        foreach (Warp warp in _warps)
        {
            warp.Reset((int)Math.Min(Lanes.Count, Size.Count - ((long)warp.Index * Lanes.Count)));
            _constants.Fill(warp);
        }
        RunWarps(new SplitMix(_launch.Options.Seed ^ ((ulong)index * 0x9e37_79b9_7f4a_7c15)));
    }

    /// <summary>Records that a warp arrives at a barrier. A waiting warp continues when the barrier
    /// completes.</summary>
    /// <param name="warp">The warp.</param>
    /// <param name="id">The barrier.</param>
    /// <param name="threadCount">The number of participating threads; 0 for all.</param>
    /// <param name="predicate">The predicates of the threads, for a reduction.</param>
    /// <param name="isWaiting">Whether the warp waits.</param>
    public void Arrive(Warp warp, int id, int threadCount, uint predicate, bool isWaiting)
    {
        Barrier barrier = _barriers[id];
        int expected = threadCount == 0 ? _warps.Length * Lanes.Count : threadCount;
        if (barrier.Arrived != 0 && barrier.ExpectedThreads != expected)
        {
            throw warp.Fault(PtxFaultKind.BarrierDivergence, $"barrier {id} expects {expected} threads here but "
                + $"{barrier.ExpectedThreads} where another warp arrived", 0);
        }
        barrier.Arrive(warp.Index, warp.Existing, predicate, expected, isWaiting);
        warp.PublishCopies(Lanes.All);
        if (isWaiting)
            warp.State = WarpState.AtBarrier;
        else
            _clock.Release(warp.Index, barrier.Released ??= new uint[_warps.Length]);
        if (barrier.IsComplete)
            Complete(barrier);
    }

    public void Dispose()
    {
        NativeMemory.Free(Executions);
        NativeMemory.Free(Counters);
        Executions = null;
        Counters = null;
        Shared.Dispose();
        foreach (Warp warp in _warps)
            warp.Dispose();
    }

    private void Complete(Barrier barrier)
    {
        for (uint rest = barrier.Waiting; rest != 0; rest &= rest - 1)
        {
            Warp warp = _warps[BitOperations.TrailingZeroCount(rest)];
            warp.State = WarpState.Ready;
            Shared.Synchronize(warp.Index, Lanes.All);
            Instruction current = warp.Current is TrackedInstruction tracked ? tracked.Inner : warp.Current;
            if (current is BarrierInstruction instruction)
                instruction.Complete(warp, barrier);
        }
        _clock.Synchronize(barrier.Waiting, barrier.Released);
        barrier.Reset();
        BarrierCount++;
    }

    private void RunWarps(SplitMix random)
    {
        // A warp that faults stops. The other warps continue to their next barrier, so that the reported fault does
        // not depend on the order of the warps.
        PtxFaultException? fault = null;
        int faultedWarp = int.MaxValue;
        while (TryPick(ref random, out Warp? warp))
        {
            try
            {
                warp.Run(1 + random.Next(MaxTurn));
                if (warp.Executed > _launch.Options.MaxWarpInstructions)
                {
                    throw warp.Fault(PtxFaultKind.Timeout, $"warp {warp.Index} executed {warp.Executed} instructions "
                        + "without ending", BitOperations.TrailingZeroCount(warp.Live | 1u << 31));
                }
            }
            catch (PtxFaultException exception)
            {
                warp.State = WarpState.Faulted;
                if (warp.Index < faultedWarp)
                    (fault, faultedWarp) = (exception, warp.Index);
            }
        }
        if (fault != null)
            throw fault;
        RequireDone();
    }

    private bool TryPick(ref SplitMix random, [NotNullWhen(true)] out Warp? picked)
    {
        int ready = 0;
        foreach (Warp warp in _warps)
            ready += warp.State == WarpState.Ready ? 1 : 0;
        picked = null;
        if (ready == 0)
            return false;
        int chosen = random.Next(ready);
        foreach (Warp warp in _warps)
        {
            if (warp.State == WarpState.Ready && chosen-- == 0)
                picked = warp;
        }
        return picked != null;
    }

    private void RequireDone()
    {
        foreach (Warp warp in _warps)
        {
            if (warp.State == WarpState.Done)
                continue;
            Barrier barrier = _barriers.First(barrier => (barrier.Waiting >> warp.Index & 1) != 0);
            throw warp.Fault(PtxFaultKind.BarrierDivergence, $"warp {warp.Index} waits for "
                + $"{barrier.ExpectedThreads} threads, {barrier.ArrivedThreads} arrived, and all other warps "
                + "have ended or wait", 0);
        }
        foreach (Warpgroup group in _groups)
            group.RequireSameCount(_warps);
    }
}
