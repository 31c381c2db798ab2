namespace PtxEmulator.Execution;

/// <summary>The warp as a part of a warpgroup.</summary>
internal sealed partial class Warp
{
    /// <summary>The warpgroup; null if the kernel has no instructions of warpgroups or the block ends within the
    /// warpgroup.</summary>
    public Warpgroup? Group { get; set; }

    /// <summary>The products in flight; null if the kernel has no instructions of warpgroups.</summary>
    public PendingProducts? Products { get; }

    /// <summary>The warpgroup, which must be complete.</summary>
    public Warpgroup RequireWarpgroup()
    {
        if (Group != null)
            return Group;
        int first = Index / Warpgroup.WarpCount * Warpgroup.WarpCount;
        throw Fault(PtxFaultKind.WarpgroupDivergence, $"a warpgroup has {Warpgroup.WarpCount} warps, but the block of "
            + $"{Block.Size.Count} threads ends within the one from warp {first}; use a multiple of "
            + $"{Warpgroup.WarpCount * Lanes.Count} threads", 0);
    }
}
