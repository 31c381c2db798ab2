using System.Diagnostics.CodeAnalysis;
using PtxEmulator.Memory;

namespace PtxEmulator.Execution;

/// <summary>Says what is wrong with an access.</summary>
internal static class MemoryFaults
{
    [DoesNotReturn]
    public static void ThrowMisaligned(Warp warp, int lane, ulong address, int byteCount)
        => throw warp.Fault(PtxFaultKind.Misaligned,
            $"the address 0x{address:x} of an access of {byteCount} bytes is not a multiple of its size", lane,
            address);

    /// <param name="warp">Whose access.</param>
    /// <param name="lane">The thread of the first byte.</param>
    /// <param name="address">The first byte.</param>
    /// <param name="byteCount">Bytes of all threads from the first on.</param>
    /// <param name="bytesPerThread">Bytes of each of them.</param>
    /// <param name="isWrite">Whether it writes.</param>
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

    [DoesNotReturn]
    public static void ThrowShared(Warp warp, int lane, ulong address, int byteCount, PtxFaultKind kind,
        bool isWrite)
    {
        SharedMemory shared = warp.Block.Shared;
        string access = $"{(isWrite ? "write" : "read")} of {byteCount} bytes at 0x{address:x} of shared memory";
        string reason = kind switch
        {
            PtxFaultKind.OutOfBounds => $"of which the block has {shared.ByteCount} bytes",
            PtxFaultKind.UninitializedRead => "which nobody has written",
            PtxFaultKind.AsyncCopyNotWaited => "into which a copy is under way that this thread has not waited for "
                + "(its own: a wait; another's: a wait there and a barrier)",
            _ => $"which another warp {(isWrite ? "accessed" : "wrote")} since the last barrier between the two",
        };
        throw warp.Fault(kind, $"{access}, {reason}", lane, address);
    }
}
