namespace PtxEmulator.Execution;

/// <summary><c>wgmma.fence</c>: orders the accesses of registers before it with those of later products.</summary>
internal sealed class WarpgroupFenceInstruction : Instruction
{
    public override void Execute(Warp warp, uint mask)
    {
        warp.RequireWhole(mask);
        warp.RequireWarpgroup().Pass(warp, this);
        warp.Products!.Fence();
    }
}

/// <summary><c>wgmma.commit_group</c>: closes the open group of products.</summary>
internal sealed class WarpgroupCommitInstruction : Instruction
{
    public override void Execute(Warp warp, uint mask)
    {
        warp.RequireWhole(mask);
        warp.RequireWarpgroup().Pass(warp, this);
        warp.Products!.Commit();
    }
}

/// <summary><c>wgmma.wait_group</c>: waits until at most some groups are pending.</summary>
/// <param name="pendingGroups">The number of groups that may stay pending.</param>
internal sealed class WarpgroupWaitInstruction(int pendingGroups) : Instruction
{
    public override void Execute(Warp warp, uint mask)
    {
        warp.RequireWhole(mask);
        warp.RequireWarpgroup().Pass(warp, this);
        warp.Products!.Wait(warp, pendingGroups);
    }
}

/// <summary><c>fence.proxy.async</c>: makes earlier writes of the thread visible to the products of a warpgroup.
/// </summary>
/// <param name="isShared">Whether it applies to shared memory.</param>
internal sealed class ProxyFenceInstruction(bool isShared) : Instruction
{
    public override void Execute(Warp warp, uint mask)
    {
        if (isShared)
            warp.Block.Shared.Fence(warp.Index, mask);
    }
}
