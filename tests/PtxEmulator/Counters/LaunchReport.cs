namespace PtxEmulator;

/// <summary>What a launch executed. It depends on the kernel and its arguments only.</summary>
public sealed record LaunchReport
{
    public required string Kernel { get; init; }

    /// <summary>Executed warp instructions by opcode with all its modifiers, such as <c>ld.global.v4.f32</c>. A warp
    /// whose threads are all predicated off counts.</summary>
    public required IReadOnlyDictionary<string, long> Instructions { get; init; }

    /// <summary>Executed warp instructions in all.</summary>
    public long WarpInstructions => Instructions.Values.Sum();

    /// <summary>Floating-point operations of all threads: one for add, sub, mul, div and each function, two for fma and
    /// for each product of a matrix instruction. Packed types count each element.</summary>
    public required long Flops { get; init; }

    /// <summary>Bytes that threads loaded from global memory, broadcasts counted for each thread; asynchronous copies
    /// and atomics included.</summary>
    public required long GlobalLoadBytes { get; init; }

    /// <summary>Bytes that threads stored to global memory; atomics included.</summary>
    public required long GlobalStoreBytes { get; init; }

    public long GlobalBytes => GlobalLoadBytes + GlobalStoreBytes;

    /// <summary>Distinct 32-byte sectors touched by each executed load, summed.</summary>
    public required long GlobalLoadSectors { get; init; }

    /// <summary>Distinct 32-byte sectors touched by each executed store, summed.</summary>
    public required long GlobalStoreSectors { get; init; }

    public long GlobalSectors => GlobalLoadSectors + GlobalStoreSectors;

    /// <summary>Sectors that the loads would touch if the threads of each were packed side by side from a sector's
    /// start; never more than they touched.</summary>
    public required long IdealLoadSectors { get; init; }

    /// <summary>The same for stores.</summary>
    public required long IdealStoreSectors { get; init; }

    public long IdealSectors => IdealLoadSectors + IdealStoreSectors;

    /// <summary>The instructions that had bank conflicts, by line.</summary>
    public required IReadOnlyList<SharedBankConflict> SharedBankConflicts { get; init; }

    /// <summary>Extra wavefronts of all instructions.</summary>
    public long SharedBankConflictCount => SharedBankConflicts.Sum(conflict => conflict.ExtraWavefronts);

    /// <summary>Barriers completed, counted once for each block.</summary>
    public required long Barriers { get; init; }

    /// <summary>Matrix instructions, counted once for each warp.</summary>
    public long MatrixInstructions => Count("mma");

    /// <summary>Bytes that asynchronous copies wrote to shared memory.</summary>
    public required long AsyncCopyBytes { get; init; }

    /// <summary>Executed warp instructions whose opcode is <paramref name="opcode"/> or starts with it and a dot.
    /// </summary>
    public long Count(string opcode)
    {
        string prefix = opcode + ".";
        return Instructions.Where(pair => pair.Key == opcode || pair.Key.StartsWith(prefix, StringComparison.Ordinal))
            .Sum(pair => pair.Value);
    }
}
