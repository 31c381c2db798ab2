namespace PtxEmulator.Tests;

/// <summary>Code with a fault, and the corrected code.</summary>
/// <remarks>The code runs in a kernel of three blocks of 64 threads with these registers and variables: %i is the
/// index of the thread, %lane its index in the warp. %p is true in thread 37 of block 2, where %x is 1 (elsewhere 0);
/// %q is true in block 2, %z in its threads 5 and 37. %data points to 63 written words of the block, %fresh to 64
/// unwritten ones. The shared variable slots has 16 bytes for each thread: %mine is the address of the thread's own,
/// %theirs that of the thread 32 places away. The local variable own has 64 bytes. The code may use %w (predicate), %r,
/// %s and %m0 to %m7 (32 bits), %a (64 bits) and %f0 to %f3 (floats).</remarks>
/// <param name="Name">The description of the fault.</param>
/// <param name="Kind">The expected kind of fault.</param>
/// <param name="Wrong">The code. The faulty instruction is marked by "// here"; if several are marked, the order of the
/// warps decides which is reported.</param>
/// <param name="Right">The corrected code.</param>
/// <param name="Space">The buffer or variable that contains the address of the fault; null if it has no
/// address.</param>
/// <param name="Offset">The offset of the address in it.</param>
internal sealed record FaultCase(
    string Name, PtxFaultKind Kind, string Wrong, string Right, string? Space = null, int Offset = 0)
{
    /// <summary>A case in which one replacement corrects the code.</summary>
    public FaultCase(string name, PtxFaultKind kind, string wrong, (string Old, string New) fix, string? space = null,
        int offset = 0)
        : this(name, kind, wrong, Apply(fix, wrong.Replace(" // here", "", StringComparison.Ordinal)), space, offset)
    {
    }

    /// <summary>The offset if the other of two marked instructions is reported.</summary>
    public int OtherOffset { get; init; } = Offset;

    /// <summary>The threads of which one is reported.</summary>
    public int[] Threads { get; init; } = [37];

    public override string ToString() => Name;

    private static string Apply((string Old, string New) fix, string code)
        => code.Split(fix.Old).Length == 2
            ? code.Replace(fix.Old, fix.New, StringComparison.Ordinal)
            : throw new ArgumentException($"expected '{fix.Old}' once in '{code}'", nameof(fix));
}
