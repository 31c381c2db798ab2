using System.Numerics;
using System.Runtime.CompilerServices;
using PtxEmulator.Counters;
using PtxEmulator.Memory;

namespace PtxEmulator.Execution;

/// <summary><c>cp.async</c>: each thread copies from global to shared memory. The bytes move at once; the shared
/// memory records that the copy is still pending.</summary>
internal sealed unsafe class AsyncCopyInstruction : Instruction
{
    public required AddressSource To { get; init; }

    public required AddressSource From { get; init; }

    /// <summary>Bytes written; bytes beyond the source are zero-filled.</summary>
    public required int Bytes { get; init; }

    /// <summary>The register with the number of bytes to read; null for all.</summary>
    public required int? SourceBytes { get; init; }

    /// <summary>If this predicate is true, nothing is read; null if there is none.</summary>
    public required (int Slot, uint Flip)? Ignored { get; init; }

    public override void Execute(Warp warp, uint mask)
    {
        ulong* sources = warp.Addresses;
        ulong* destinations = stackalloc ulong[Lanes.Count + 8];
        // Aligned for the vector stores into the scratch buffer.
        destinations = (ulong*)(((nuint)destinations + Lanes.ChunkBytes - 1) & ~(nuint)(Lanes.ChunkBytes - 1));
        From.Compute(warp, sources);
        To.Compute(warp, destinations);
        warp.Block.Shared.BeginWrite(warp.Index);
        MemoryCounters* counters = warp.Block.Counters + Index;
        uint reading = 0;
        int bytesRead = 0;
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            int count = CountSourceBytes(warp, lane);
            Copy(warp, lane, sources[lane], destinations[lane], count);
            reading |= count > 0 ? 1u << lane : 0;
            bytesRead += count;
        }
        int sectors = AccessPattern.CountSectors(sources, reading);
        counters->LoadBytes += bytesRead;
        counters->LoadSectors += sectors;
        counters->IdealLoadSectors += AccessPattern.IdealSectors(sectors, bytesRead);
        counters->AsyncCopyBytes += BitOperations.PopCount(mask) * Bytes;
        counters->ExtraWavefronts += AccessPattern.CountExtraWavefronts(destinations, mask, Bytes);
    }

    private int CountSourceBytes(Warp warp, int lane)
    {
        if (Ignored is { } ignored && ((*(uint*)(warp.Registers + ignored.Slot) ^ ignored.Flip) >> lane & 1) != 0)
            return 0;
        if (SourceBytes is not { } slot)
            return Bytes;
        uint count = ((uint*)(warp.Registers + slot))[lane];
        return count <= (uint)Bytes ? (int)count : throw warp.Fault(PtxFaultKind.InvalidOperation,
            $"a source of {count} bytes for a copy of {Bytes}", lane);
    }

    private void Copy(Warp warp, int lane, ulong source, ulong destination, int byteCount)
    {
        GlobalMemory global = warp.Block.Global;
        SharedMemory shared = warp.Block.Shared;
        ulong low = (ulong)(Bytes - 1);
        if (((source | destination) & low) != 0)
            MemoryFaults.ThrowMisaligned(warp, lane, (source & low) != 0 ? source : destination, Bytes);
        if (byteCount == 0 && !global.IsAllocated(source, Bytes))
        {
            throw warp.Fault(PtxFaultKind.OutOfBounds, $"a copy of nothing, but from outside any allocation: {Bytes} "
                + $"bytes at 0x{source:x} ({warp.Block.Launch.DescribeGlobal(source)})", lane, source);
        }
        if (byteCount > 0 && (warp.Ordered >> lane & 1) == 0)
            MemoryFaults.ThrowNotOrdered(warp, lane, source, byteCount);
        if (byteCount > 0 && !global.CanRead(source, byteCount))
            MemoryFaults.ThrowGlobal(warp, lane, source, byteCount, byteCount, isWrite: false);
        if (byteCount > 0 && warp.Block.AccessRecord is not 0 and uint record
            && !warp.Block.Launch.Accesses!.Read(record, source, byteCount))
        {
            MemoryFaults.ThrowBlockRace(warp, lane, source, byteCount, byteCount, isWrite: false, isAtomic: false);
        }
        PtxFaultKind? fault = destination > (ulong)(shared.ByteCount - Bytes) || shared.ByteCount < Bytes
            ? PtxFaultKind.OutOfBounds
            : shared.BeginCopy(warp.Index, lane, (uint)destination, Bytes);
        if (fault is { } kind)
            MemoryFaults.ThrowShared(warp, lane, destination, Bytes, kind, isWrite: true);
        byte* target = shared.Bytes + destination;
        Unsafe.InitBlock(target, 0, (uint)Bytes);
        if (byteCount > 0)
            Unsafe.CopyBlock(target, global.Host(source), (uint)byteCount);
        warp.BeginCopy(lane, (uint)destination, Bytes);
    }
}

/// <summary><c>cp.async.commit_group</c>, <c>wait_group</c> and <c>wait_all</c>.</summary>
/// <param name="isCommit">Closes the open group.</param>
/// <param name="pendingGroups">The number of groups that may stay pending; null to wait for all copies.</param>
internal sealed class AsyncCopyGroupInstruction(bool isCommit, int? pendingGroups) : Instruction
{
    public override void Execute(Warp warp, uint mask)
    {
        if (isCommit)
            warp.CommitCopies(mask);
        else if (pendingGroups is { } groupCount)
            warp.WaitCopies(mask, groupCount);
        else
            warp.WaitAllCopies(mask);
    }
}
