namespace PtxEmulator.Tests;

/// <summary>Instructions that do something forbidden, and the same put right.</summary>
/// <remarks>They run in a kernel of three blocks of 64 threads. %i is the thread, %lane its
/// place in the warp. %p is true in thread 37 of block 2,
/// and there %x is 1 and not 0; %q is true in block 2, %z in its threads 5 and 37. %data points to 63 words that are
/// written, %fresh to 64 that are not. The block's shared memory is slots, 16 bytes for each thread; %mine is the
/// thread's own, %theirs that of the thread 32 further or before. The thread's local memory is own, 64 bytes. %w
/// (predicate), %r, %s and %m0 to %m7 (32 bits), %a (64 bits) and %f0 to %f3 (floats) are free.</remarks>
/// <param name="Name">What is done.</param>
/// <param name="Kind">The fault.</param>
/// <param name="Wrong">The instruction at fault ends in "// here"; of several the order of warps decides.</param>
/// <param name="Right">What runs without a fault.</param>
/// <param name="Space">The buffer or variable in which the fault's address lies; null where it has no address.</param>
/// <param name="Offset">The address from there.</param>
internal sealed record FaultCase(
    string Name, PtxFaultKind Kind, string Wrong, string Right, string? Space = null, int Offset = 0)
{
    /// <summary>The address if the other of two instructions is named.</summary>
    public int OtherOffset { get; init; } = Offset;

    /// <summary>The threads that may be named.</summary>
    public int[] Threads { get; init; } = [37];

    public override string ToString() => Name;
}
