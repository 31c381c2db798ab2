using ILGPU.IR.Intrinsics;

namespace MsResampler.Kernels.Ptx;

/// <summary>Asynchronous copies from global to shared memory. The copies that a thread starts between two calls of
/// <see cref="Commit"/> form one async-group. Copied data is visible to the thread itself after <see cref="Wait"/>,
/// and to the other threads of the block after a barrier that follows. PTX ISA, Asynchronous copy: cp.async; from
/// sm_80 on.</summary>
internal static class AsyncCopy
{
    /// <summary>Starts a copy of 16 bytes that bypasses the first-level cache. Both addresses are aligned to 16
    /// bytes.</summary>
    /// <param name="shared">An address from <see cref="SharedMemoryAccess.AddressOf"/>.</param>
    /// <param name="byteOffset">A constant offset in bytes, added to <paramref name="shared"/>.</param>
    /// <param name="global">The first element to copy.</param>
    [IntrinsicImplementation]
    [PtxInstruction("cp.async.cg.shared.global [0+1] [g2] '16", MinArchitecture = 80)]
    public static void Start<T>(uint shared, int byteOffset, ref T global)
        where T : unmanaged => throw PtxInstructions.NeedsGpu("cp.async");

    /// <summary>Like <see cref="Start"/>, but reads only the first <paramref name="byteCount"/> bytes, 0 to 16, and
    /// fills the rest with zeros. If the count is 0, nothing is read; the 16 bytes at the address must be allocated all
    /// the same, and the emulator checks this.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("cp.async.cg.shared.global [0+1] [g2] '16 3", MinArchitecture = 80)]
    public static void StartOrZero<T>(uint shared, int byteOffset, ref T global, int byteCount)
        where T : unmanaged => throw PtxInstructions.NeedsGpu("cp.async");

    /// <summary>Like <see cref="StartOrZero{T}(uint, int, ref T, int)"/>, with a constant offset in bytes,
    /// <paramref name="globalOffset"/>, added to the element's address.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("cp.async.cg.shared.global [0+1] [g2+3] '16 4", MinArchitecture = 80)]
    public static void StartOrZero<T>(uint shared, int byteOffset, ref T global, int globalOffset, int byteCount)
        where T : unmanaged => throw PtxInstructions.NeedsGpu("cp.async");

    /// <summary>Closes the async-group of the copies that this thread started since the last call; the group may be
    /// empty.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("cp.async.commit_group", MinArchitecture = 80)]
    public static void Commit() => throw PtxInstructions.NeedsGpu("cp.async");

    /// <summary>Waits until all but this thread's last <paramref name="groupCount"/> async-groups, a constant, are
    /// complete.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("cp.async.wait_group #0", MinArchitecture = 80)]
    public static void Wait(int groupCount) => throw PtxInstructions.NeedsGpu("cp.async");
}
