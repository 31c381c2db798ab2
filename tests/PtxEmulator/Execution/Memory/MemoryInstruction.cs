using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using PtxEmulator.Counters;
using PtxEmulator.Memory;

namespace PtxEmulator.Execution;

/// <summary>An instruction that accesses memory at one address per thread.</summary>
internal abstract unsafe class MemoryInstruction : Instruction
{
    public required StateSpace Space { get; init; }

    public required AddressSource Address { get; init; }

    /// <summary>Bytes per thread.</summary>
    public required int AccessBytes { get; init; }

    /// <summary>Whether the access is volatile, acquire or release. Such accesses to shared memory do not
    /// race.</summary>
    public bool IsSynchronizing { get; init; }

    protected abstract bool IsRead { get; }

    protected abstract bool IsWrite { get; }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public sealed override void Execute(Warp warp, uint mask)
    {
        ulong* addresses = warp.Addresses;
        Address.Compute(warp, addresses);
        if (Space != StateSpace.Generic)
        {
            Access(warp, mask, Space, addresses);
            return;
        }
        uint shared = 0;
        uint local = 0;
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            if (AddressMap.IsShared(addresses[lane]))
            {
                shared |= 1u << lane;
                addresses[lane] -= AddressMap.Shared;
            }
            else if (AddressMap.IsLocal(addresses[lane]))
            {
                local |= 1u << lane;
                addresses[lane] -= AddressMap.Local;
            }
        }
        if (shared != 0)
            Access(warp, shared, StateSpace.Shared, addresses);
        if (local != 0)
            Access(warp, local, StateSpace.Local, addresses);
        uint global = mask & ~(shared | local);
        if (global != 0)
            Access(warp, global, StateSpace.Global, addresses);
    }

    /// <summary>Performs the access. <paramref name="hosts"/> contains the host address of each thread; for a
    /// contiguous or uniform access, the first one only.</summary>
    protected abstract void Transfer(Warp warp, uint mask, AccessShape shape, ulong* hosts);

    /// <summary>Checks a write to shared memory in which several threads write the same bytes.</summary>
    protected virtual void CheckOverlap(Warp warp, uint mask, AccessShape shape, ulong* hosts)
    {
    }

    private void Access(Warp warp, uint mask, StateSpace space, ulong* addresses)
    {
        AccessShape shape = mask == Lanes.All ? ShapeOf(addresses) : AccessShape.Scattered;
        switch (space)
        {
            case StateSpace.Shared:
                ResolveShared(warp, mask, shape, addresses);
                if (IsWrite && warp.Block.Shared.HasOverlap)
                    CheckOverlap(warp, mask, shape, addresses);
                break;
            case StateSpace.Local:
                shape = AccessShape.Scattered;
                ResolveLocal(warp, mask, addresses);
                break;
            case StateSpace.Parameter:
                ResolveParameter(warp, mask, shape, addresses);
                break;
            default:
                ResolveGlobal(warp, mask, shape, addresses);
                break;
        }
        Transfer(warp, mask, shape, addresses);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private AccessShape ShapeOf(ulong* addresses)
    {
        ulong step = (ulong)AccessBytes;
        Vector512<ulong> contiguous = Vector512.Create(addresses[0]) + (Vector512<ulong>.Indices * step);
        Vector512<ulong> uniform = Vector512.Create(addresses[0]);
        bool isContiguous = true;
        bool isUniform = true;
        for (int lane = 0; lane < Lanes.Count; lane += Vector512<ulong>.Count)
        {
            Vector512<ulong> actual = Vector512.Load(addresses + lane);
            isContiguous &= actual == contiguous;
            isUniform &= actual == uniform;
            contiguous += Vector512.Create(step * (ulong)Vector512<ulong>.Count);
        }
        return isContiguous ? AccessShape.Contiguous : isUniform ? AccessShape.Uniform : AccessShape.Scattered;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void ResolveGlobal(Warp warp, uint mask, AccessShape shape, ulong* addresses)
    {
        if ((mask & ~warp.Ordered) != 0 && Space != StateSpace.Constant)
        {
            int lane = BitOperations.TrailingZeroCount(mask & ~warp.Ordered);
            MemoryFaults.ThrowNotOrdered(warp, lane, addresses[lane], AccessBytes);
        }
        GlobalMemory memory = warp.Block.Global;
        MemoryCounters* counters = warp.Block.Counters + Index;
        int threads = BitOperations.PopCount(mask);
        int sectors;
        if (shape == AccessShape.Scattered)
        {
            for (uint rest = mask; rest != 0; rest &= rest - 1)
            {
                int lane = BitOperations.TrailingZeroCount(rest);
                CheckGlobal(warp, memory, lane, addresses[lane], AccessBytes);
            }
            sectors = AccessPattern.CountSectors(addresses, mask);
            for (int lane = 0; lane < Lanes.Count; lane++)
                addresses[lane] += memory.HostOffset;
        }
        else
        {
            int bytes = shape == AccessShape.Contiguous ? AccessBytes * Lanes.Count : AccessBytes;
            CheckGlobal(warp, memory, 0, addresses[0], bytes);
            sectors = AccessPattern.CountSectors(addresses[0], bytes);
            addresses[0] += memory.HostOffset;
        }
        int ideal = AccessPattern.IdealSectors(sectors, threads * AccessBytes);
        if (IsRead)
        {
            counters->LoadBytes += threads * AccessBytes;
            counters->LoadSectors += sectors;
            counters->IdealLoadSectors += ideal;
        }
        if (IsWrite)
        {
            counters->StoreBytes += threads * AccessBytes;
            counters->StoreSectors += sectors;
            counters->IdealStoreSectors += ideal;
        }
    }

    /// <summary>Checks a contiguous access of the threads from <paramref name="lane"/> on.</summary>
    private void CheckGlobal(Warp warp, GlobalMemory memory, int lane, ulong address, int byteCount)
    {
        if ((address & (ulong)(AccessBytes - 1)) != 0)
            MemoryFaults.ThrowMisaligned(warp, lane, address, AccessBytes);
        if (IsRead && !memory.CanRead(address, byteCount))
            MemoryFaults.ThrowGlobal(warp, lane, address, byteCount, AccessBytes, isWrite: false);
        if (IsWrite && !memory.TryMarkWritten(address, byteCount))
            MemoryFaults.ThrowGlobal(warp, lane, address, byteCount, AccessBytes, isWrite: true);
        if (warp.Block.AccessRecord != 0 && Space != StateSpace.Constant)
            CheckBlocks(warp, lane, address, byteCount);
    }

    private void CheckBlocks(Warp warp, int lane, ulong address, int byteCount)
    {
        BlockAccesses accesses = warp.Block.Launch.Accesses!;
        uint record = warp.Block.AccessRecord;
        bool isOrdered = IsSynchronizing ? accesses.Atomic(record, address, byteCount, IsWrite)
            : IsWrite ? accesses.Write(record, address, byteCount)
            : accesses.Read(record, address, byteCount);
        if (!isOrdered)
            MemoryFaults.ThrowBlockRace(warp, lane, address, byteCount, AccessBytes, IsWrite, IsSynchronizing);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void ResolveShared(Warp warp, uint mask, AccessShape shape, ulong* addresses)
    {
        SharedMemory shared = warp.Block.Shared;
        if (IsWrite)
            shared.BeginWrite(warp.Index);
        if (shape != AccessShape.Scattered)
        {
            CheckSharedTogether(warp, shared, shape, addresses[0]);
            addresses[0] += (ulong)shared.Bytes;
            return;
        }
        bool isPlainRead = !IsWrite && !IsSynchronizing;
        for (uint rest = mask; rest != 0;)
        {
            ulong address = addresses[BitOperations.TrailingZeroCount(rest)];
            uint threads = 0;
            do
            {
                threads |= rest & (0 - rest);
                rest &= rest - 1;
            }
            while (isPlainRead && rest != 0 && addresses[BitOperations.TrailingZeroCount(rest)] == address);
            if (BitOperations.IsPow2(threads) || !TryNote(warp, shared, threads, address, AccessBytes, null))
                CheckShared(warp, shared, threads, address);
        }
        warp.Block.Counters[Index].ExtraWavefronts += AccessPattern.CountExtraWavefronts(addresses, mask, AccessBytes);
        for (int lane = 0; lane < Lanes.Count; lane++)
            addresses[lane] += (ulong)shared.Bytes;
    }

    /// <summary>Checks the access of all threads at once; if that fails, one thread after the other.</summary>
    private void CheckSharedTogether(Warp warp, SharedMemory shared, AccessShape shape, ulong address)
    {
        bool isContiguous = shape == AccessShape.Contiguous;
        // Atomics are noted one thread after the other.
        if (!IsSynchronizing && TryNote(warp, shared, Lanes.All, address,
            isContiguous ? AccessBytes * Lanes.Count : AccessBytes, isContiguous ? shared.PartsOf(AccessBytes) : null))
        {
            return;
        }
        for (int lane = 0; lane < Lanes.Count; lane++)
            CheckShared(warp, shared, 1u << lane, address + (isContiguous ? (ulong)(lane * AccessBytes) : 0));
    }

    private bool TryNote(Warp warp, SharedMemory shared, uint threads, ulong address, int byteCount, uint* parts)
        => (address & (ulong)(AccessBytes - 1)) == 0 && IsInside(shared, address, byteCount)
            && Note(warp, shared, threads, (uint)address, byteCount, parts) == null;

    private static bool IsInside(SharedMemory shared, ulong address, int byteCount)
        => address <= (ulong)shared.ByteCount && (ulong)byteCount <= (ulong)shared.ByteCount - address;

    /// <summary>Checks one thread after the other.</summary>
    private void CheckShared(Warp warp, SharedMemory shared, uint threads, ulong address)
    {
        for (uint rest = threads; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            if ((address & (ulong)(AccessBytes - 1)) != 0)
                MemoryFaults.ThrowMisaligned(warp, lane, address, AccessBytes);
            PtxFaultKind? fault = IsInside(shared, address, AccessBytes)
                ? Note(warp, shared, 1u << lane, (uint)address, AccessBytes, null) : PtxFaultKind.OutOfBounds;
            if (fault is { } kind)
                MemoryFaults.ThrowShared(warp, lane, address, AccessBytes, kind, IsWrite);
        }
    }

    private PtxFaultKind? Note(Warp warp, SharedMemory shared, uint threads, uint address, int byteCount, uint* parts)
    {
        if (IsSynchronizing)
            return shared.Atomic(warp.Index, threads, address, byteCount, IsRead, IsWrite);
        return IsWrite ? shared.Write(warp.Index, threads, address, byteCount, parts)
            : shared.Read(warp.Index, threads, address, byteCount, parts);
    }

    private void ResolveLocal(Warp warp, uint mask, ulong* addresses)
    {
        LocalMemory local = warp.Local;
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            ulong address = addresses[lane];
            if ((address & (ulong)(AccessBytes - 1)) != 0)
                MemoryFaults.ThrowMisaligned(warp, lane, address, AccessBytes);
            if (!local.IsInside(address, AccessBytes))
            {
                throw warp.Fault(PtxFaultKind.OutOfBounds, $"{AccessBytes} bytes at 0x{address:x} of the thread's "
                    + $"{local.ByteCount} bytes of local memory", lane, address);
            }
            if (IsRead && !local.IsWritten(lane, address, AccessBytes))
            {
                throw warp.Fault(PtxFaultKind.UninitializedRead,
                    $"read of {AccessBytes} bytes, not all initialised, at "
                    + $"0x{address:x} of local memory", lane, address);
            }
            if (IsWrite)
                local.MarkWritten(lane, address, AccessBytes);
            addresses[lane] = (ulong)local.Host(lane, address);
        }
    }

    private void ResolveParameter(Warp warp, uint mask, AccessShape shape, ulong* addresses)
    {
        Launch launch = warp.Block.Launch;
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            ulong address = addresses[lane];
            if (IsWrite)
                throw warp.Fault(PtxFaultKind.ReadOnlyMemory, "parameters are read-only", lane, address);
            if (address + (ulong)AccessBytes > (ulong)launch.ParameterBytes)
            {
                throw warp.Fault(PtxFaultKind.OutOfBounds, $"{AccessBytes} bytes at {address} of "
                    + $"{launch.ParameterBytes} bytes of parameters", lane, address);
            }
            if ((address & (ulong)(AccessBytes - 1)) != 0)
                MemoryFaults.ThrowMisaligned(warp, lane, address, AccessBytes);
            addresses[lane] += (ulong)launch.Parameters;
            if (shape == AccessShape.Uniform)
                break;
        }
    }
}
