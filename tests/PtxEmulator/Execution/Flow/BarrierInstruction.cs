using System.Numerics;

namespace PtxEmulator.Execution;

internal enum BarrierReduction
{
    None,
    Count,
    And,
    Or,
}

/// <summary><c>bar</c> and <c>barrier</c>: sync, arrive and red.</summary>
internal sealed unsafe class BarrierInstruction : Instruction
{
    public required int Id { get; init; }

    /// <summary>The register with the number of threads; null for all threads.</summary>
    public required int? ThreadCount { get; init; }

    public required bool IsWaiting { get; init; }

    public BarrierReduction Reduction { get; init; }

    public int Destination { get; init; }

    public int Predicate { get; init; }

    public uint PredicateFlip { get; init; }

    public override void Execute(Warp warp, uint mask)
    {
        if (mask != warp.Existing)
        {
            int missing = BitOperations.TrailingZeroCount(warp.Existing & ~mask);
            throw warp.Fault(PtxFaultKind.BarrierDivergence, $"thread {missing} of warp {warp.Index} "
                + $"{((warp.Live >> missing & 1) != 0 ? "is at another instruction" : "has exited")}; "
                + $"only 0x{mask:x8} of 0x{warp.Existing:x8} execute the barrier", missing);
        }
        int lane = BitOperations.TrailingZeroCount(mask);
        uint id = ((uint*)(warp.Registers + Id))[lane];
        uint threadCount = ThreadCount is { } slot ? ((uint*)(warp.Registers + slot))[lane] : 0;
        if (id >= Barrier.Count || threadCount % Lanes.Count != 0)
        {
            throw warp.Fault(PtxFaultKind.InvalidOperation, $"barrier {id} of {threadCount} threads: there are "
                + $"{Barrier.Count} barriers, and the thread count must be a multiple of the warp size", lane);
        }
        uint predicate = Reduction == BarrierReduction.None ? 0
            : *(uint*)(warp.Registers + Predicate) ^ PredicateFlip;
        warp.Block.Arrive(warp, (int)id, (int)threadCount, predicate, IsWaiting);
    }

    /// <summary>Writes the result of the reduction when the barrier completes.</summary>
    public void Complete(Warp warp, Barrier barrier)
    {
        if (Reduction == BarrierReduction.None)
            return;
        if (Reduction == BarrierReduction.Count)
        {
            Lanes.Fill(warp.Registers + Destination, sizeof(uint), (ulong)barrier.TrueCount);
            return;
        }
        bool result = Reduction == BarrierReduction.And ? barrier.AreAllTrue : barrier.TrueCount > 0;
        *(uint*)(warp.Registers + Destination) = result ? Lanes.All : 0;
    }
}

/// <summary><c>bar.warp.sync</c>.</summary>
internal sealed unsafe class WarpBarrierInstruction(int members) : Instruction
{
    public override void Execute(Warp warp, uint mask)
    {
        uint* masks = (uint*)(warp.Registers + members);
        for (uint rest = mask; rest != 0; rest &= rest - 1)
            warp.RequireMembers(mask, masks[BitOperations.TrailingZeroCount(rest)]);
        warp.PublishCopies(mask);
        for (uint rest = mask; rest != 0;)
        {
            uint together = masks[BitOperations.TrailingZeroCount(rest)];
            warp.Block.Shared.Synchronize(warp.Index, together | ~warp.Existing);
            rest &= ~together & (rest - 1);
        }
    }
}
