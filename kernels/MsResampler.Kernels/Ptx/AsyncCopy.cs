using ILGPU.IR.Intrinsics;

namespace MsResampler.Kernels.Ptx;

/// <summary>Copies from global to shared memory that run beside the thread that starts them. Copies started since the
/// last <see cref="Commit"/> make a group. What a thread copied is there for itself after <see cref="Wait"/>, for the
/// other threads of the block after a barrier that follows it. PTX ISA, Asynchronous copy: cp.async; from sm_80
/// on.</summary>
internal static class AsyncCopy
{
    /// <summary>Starts to copy 16 bytes, past the first-level cache. Both addresses are aligned to 16 bytes.</summary>
    /// <param name="shared">An address of <see cref="SharedMemoryAccess.AddressOf"/>.</param>
    /// <param name="byteOffset">A constant number of bytes after it.</param>
    /// <param name="global">The first element to copy.</param>
    [IntrinsicImplementation]
    [PtxInstruction("cp.async.cg.shared.global [0+1] [g2] '16", MinArchitecture = 80)]
    public static void Start<T>(uint shared, int byteOffset, ref T global)
        where T : unmanaged => throw PtxInstructions.NeedsGpu("cp.async");

    /// <summary>As <see cref="Start"/>, but reads only the first <paramref name="byteCount"/> bytes, 0 to 16, and fills
    /// the rest with zeros. With 0 the global address may be anything that is aligned.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("cp.async.cg.shared.global [0+1] [g2] '16 3", MinArchitecture = 80)]
    public static void StartOrZero<T>(uint shared, int byteOffset, ref T global, int byteCount)
        where T : unmanaged => throw PtxInstructions.NeedsGpu("cp.async");

    /// <summary>As <see cref="StartOrZero{T}(uint, int, ref T, int)"/>, from <paramref name="globalOffset"/>, a
    /// constant number of bytes after the element.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("cp.async.cg.shared.global [0+1] [g2+3] '16 4", MinArchitecture = 80)]
    public static void StartOrZero<T>(uint shared, int byteOffset, ref T global, int globalOffset, int byteCount)
        where T : unmanaged => throw PtxInstructions.NeedsGpu("cp.async");

    /// <summary>Makes a group of the copies that this thread started since the last one; it may be empty.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("cp.async.commit_group", MinArchitecture = 80)]
    public static void Commit() => throw PtxInstructions.NeedsGpu("cp.async");

    /// <summary>Waits until all but the last <paramref name="groupCount"/> groups of this thread, a constant, have
    /// arrived.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("cp.async.wait_group #0", MinArchitecture = 80)]
    public static void Wait(int groupCount) => throw PtxInstructions.NeedsGpu("cp.async");
}
