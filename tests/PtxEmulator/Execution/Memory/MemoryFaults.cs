using System.Diagnostics.CodeAnalysis;
using PtxEmulator.Memory;

namespace PtxEmulator.Execution;

/// <summary>Explains what is wrong with an access.</summary>
internal static class MemoryFaults
{
    [DoesNotReturn]
    public static void ThrowMisaligned(Warp warp, int lane, ulong address, int byteCount)
        => throw warp.Fault(PtxFaultKind.Misaligned,
            $"the address 0x{address:x} of an access of {byteCount} bytes is not a multiple of its size", lane,
            address);

    /// <param name="warp">The warp of the access.</param>
    /// <param name="lane">The thread of the first byte.</param>
    /// <param name="address">The address of the first byte.</param>
    /// <param name="byteCount">The number of bytes of all threads, from the first byte on.</param>
    /// <param name="bytesPerThread">The number of bytes per thread.</param>
    /// <param name="isWrite">Whether the access is a write.</param>
    [DoesNotReturn]
    public static void ThrowGlobal(Warp warp, int lane, ulong address, int byteCount, int bytesPerThread,
        bool isWrite)
    {
        (PtxFaultKind kind, ulong at) = warp.Block.Global.Explain(address, byteCount, isWrite);
        ulong thread = (at - address) / (ulong)bytesPerThread;
        ulong start = address + (thread * (ulong)bytesPerThread);
        throw warp.Fault(kind, $"{(isWrite ? "write" : "read")} of {bytesPerThread} bytes at 0x{start:x} "
            + $"({warp.Block.Launch.DescribeGlobal(at)})", lane + (int)thread, start);
    }

    /// <summary>Reports an access that may come before the end of the launch before.</summary>
    [DoesNotReturn]
    public static void ThrowNotOrdered(Warp warp, int lane, ulong address, int byteCount)
        => throw warp.Fault(PtxFaultKind.DependencyNotWaited, $"an access to {byteCount} bytes at 0x{address:x} "
            + $"({warp.Block.Launch.DescribeGlobal(address)}) in a dependent launch, before the thread has executed "
            + "griddepcontrol.wait: the launch before may not have ended", lane, address);

    /// <inheritdoc cref="ThrowGlobal"/>
    [DoesNotReturn]
    public static void ThrowBlockRace(Warp warp, int lane, ulong address, int byteCount, int bytesPerThread,
        bool isWrite, bool isAtomic)
    {
        Launch launch = warp.Block.Launch;
        (ulong at, uint record) = launch.Accesses!.Explain(warp.Block.AccessRecord, address, byteCount, isWrite,
            isAtomic);
        string other = launch.Accesses.BlockOf(record) is { } block ? $"block {launch.Grid.PositionOf(block)}"
            : "other blocks";
        ulong thread = (at - address) / (ulong)bytesPerThread;
        ulong start = address + (thread * (ulong)bytesPerThread);
        throw warp.Fault(PtxFaultKind.BlockRace, $"{(isWrite ? "write" : "read")} of {bytesPerThread} bytes at "
            + $"0x{start:x} ({launch.DescribeGlobal(at)}), which {other} {(isWrite ? "accessed" : "wrote")}; "
            + "nothing orders the blocks of a launch", lane + (int)thread, start);
    }

    [DoesNotReturn]
    public static void ThrowShared(Warp warp, int lane, ulong address, int byteCount, PtxFaultKind kind,
        bool isWrite)
    {
        SharedMemory shared = warp.Block.Shared;
        string access = $"{(isWrite ? "write" : "read")} of {byteCount} bytes at 0x{address:x} of shared memory";
        string reason = kind switch
        {
            PtxFaultKind.OutOfBounds => $"but the block has {shared.ByteCount} bytes of shared memory",
            PtxFaultKind.UninitializedRead => "which is not initialised",
            PtxFaultKind.AsyncCopyNotWaited
                => "where an asynchronous copy is pending for which this thread has not waited "
                + "(its own copy needs a wait; another thread's, a wait there and a barrier)",
            PtxFaultKind.WarpgroupNotWaited => "which a wgmma reads that is in flight: wgmma.wait_group must cover it, "
                + "and a barrier follow, before the bytes are written",
            _ => $"which another {(kind == PtxFaultKind.WarpRace ? "thread of the warp" : "warp")} "
                + $"{(isWrite ? "accessed" : "wrote")} without a barrier in between",
        };
        throw warp.Fault(kind, $"{access}, {reason}", lane, address);
    }

    /// <summary>Explains a read of a product of a warpgroup.</summary>
    [DoesNotReturn]
    public static void ThrowProduct(Warp warp, ulong address, PtxFaultKind kind, string operands)
    {
        string reason = kind switch
        {
            PtxFaultKind.UninitializedRead => "which are not initialised",
            PtxFaultKind.AsyncCopyNotWaited => "where an asynchronous copy is pending or not published: its thread "
                + "must execute cp.async.wait_group, then fence.proxy.async, and then a barrier must follow",
            PtxFaultKind.ProxyFenceMissing => "whose writer executed no fence.proxy.async after the write (after its "
                + "cp.async.wait_group, for a copy) and before the barrier; add it there",
            _ => $"which another {(kind == PtxFaultKind.WarpRace ? "thread of the warp" : "warp")} wrote without a "
                + "barrier in between",
        };
        throw warp.Fault(kind, $"{operands} reads the bytes at 0x{address:x} of shared memory, {reason}", 0, address);
    }
}
