namespace PtxEmulator;

/// <summary>The counters of a launch. They depend on the kernel and its arguments only.</summary>
public sealed record LaunchReport
{
    public required string Kernel { get; init; }

    /// <summary>Executed warp instructions by opcode including all modifiers, such as <c>ld.global.v4.f32</c>. A warp
    /// counts even if the guard is false in all its threads.</summary>
    public required IReadOnlyDictionary<string, long> Instructions { get; init; }

    /// <summary>The total number of executed warp instructions.</summary>
    public long WarpInstructions => Instructions.Values.Sum();

    /// <summary>Floating-point operations of all threads: one for add, sub, mul, div and each function, two for fma and
    /// for each product of a matrix instruction. Packed types count each element.</summary>
    public required long Flops { get; init; }

    /// <summary>Bytes that threads loaded from global memory, including asynchronous copies and atomics. A broadcast
    /// counts once per thread.</summary>
    public required long GlobalLoadBytes { get; init; }

    /// <summary>Bytes that threads stored to global memory, including atomics.</summary>
    public required long GlobalStoreBytes { get; init; }

    public long GlobalBytes => GlobalLoadBytes + GlobalStoreBytes;

    /// <summary>Distinct 32-byte sectors per executed load, summed over all loads.</summary>
    public required long GlobalLoadSectors { get; init; }

    /// <summary>Distinct 32-byte sectors per executed store, summed over all stores.</summary>
    public required long GlobalStoreSectors { get; init; }

    public long GlobalSectors => GlobalLoadSectors + GlobalStoreSectors;

    /// <summary>The sectors that the loads would touch if the bytes of each load were contiguous and started at a
    /// sector; at most the sectors touched.</summary>
    public required long IdealLoadSectors { get; init; }

    /// <summary>The same as <see cref="IdealLoadSectors"/> for stores.</summary>
    public required long IdealStoreSectors { get; init; }

    public long IdealSectors => IdealLoadSectors + IdealStoreSectors;

    /// <summary>The instructions with bank conflicts, ordered by line.</summary>
    public required IReadOnlyList<SharedBankConflict> SharedBankConflicts { get; init; }

    /// <summary>The extra wavefronts of all instructions.</summary>
    public long SharedBankConflictCount => SharedBankConflicts.Sum(conflict => conflict.ExtraWavefronts);

    /// <summary>Completed barriers, counted once per block.</summary>
    public required long Barriers { get; init; }

    /// <summary>Matrix instructions, counted once per warp.</summary>
    public long MatrixInstructions => Count("mma");

    /// <summary>Products of warpgroups (<c>wgmma.mma_async</c>), counted once per warpgroup.</summary>
    public long WarpgroupInstructions => Count("wgmma.mma_async") / Execution.Warpgroup.WarpCount;

    /// <summary>Bytes of the matrices that products of warpgroups read from shared memory, once per warpgroup. The rows
    /// of a core matrix are in different banks in every layout, so these reads have no bank conflicts.</summary>
    public required long WarpgroupSharedBytes { get; init; }

    /// <summary>Bytes that asynchronous copies wrote to shared memory.</summary>
    public required long AsyncCopyBytes { get; init; }

    /// <summary>The number of executed warp instructions whose opcode is <paramref name="opcode"/> or starts with it
    /// and a dot.</summary>
    public long Count(string opcode)
    {
        string prefix = opcode + ".";
        return Instructions.Where(pair => pair.Key == opcode || pair.Key.StartsWith(prefix, StringComparison.Ordinal))
            .Sum(pair => pair.Value);
    }
}
