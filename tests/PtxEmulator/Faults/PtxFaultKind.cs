namespace PtxEmulator;

/// <summary>The kind of a fault.</summary>
public enum PtxFaultKind
{
    /// <summary>An address outside all allocations, or past the end of one.</summary>
    OutOfBounds,

    /// <summary>An address that is not a multiple of the access size.</summary>
    Misaligned,

    /// <summary>A read of uninitialised bytes.</summary>
    UninitializedRead,

    /// <summary>An access to memory after it was freed, or a second free.</summary>
    FreedMemory,

    /// <summary>A write to constant memory or to a parameter.</summary>
    ReadOnlyMemory,

    /// <summary>Two warps access the same shared bytes between two barriers, and one of them writes.</summary>
    SharedRace,

    /// <summary>Two threads of a warp access the same shared bytes without a barrier of both in between, and one of
    /// them writes; or they write different values in one instruction.</summary>
    WarpRace,

    /// <summary>Two blocks of a launch access the same bytes of global memory, and one of them writes; atomic accesses
    /// are ordered with each other.</summary>
    BlockRace,

    /// <summary>An access to the destination of an asynchronous copy before the thread has waited for it, or the end of
    /// a thread that has not waited for its copies.</summary>
    AsyncCopyNotWaited,

    /// <summary>A barrier that not all of its threads reach.</summary>
    BarrierDivergence,

    /// <summary>A matrix instruction, shuffle or vote that some of the required threads do not execute.</summary>
    PartialWarp,

    /// <summary>A product of a warpgroup (<c>wgmma</c>) that reads shared bytes whose writer executed no
    /// <c>fence.proxy.async</c> after the write and before the barrier that orders it.</summary>
    ProxyFenceMissing,

    /// <summary>A product of a warpgroup that uses registers which other instructions accessed, or which it uses as the
    /// first, without a <c>wgmma.fence</c> in between.</summary>
    WarpgroupFenceMissing,

    /// <summary>An access to the registers of a product of a warpgroup, or a write to the shared bytes that it reads,
    /// before a <c>wgmma.wait_group</c> that covers it; or the end of a warp that has not waited.</summary>
    WarpgroupNotWaited,

    /// <summary>A matrix instruction of a warpgroup that its four warps do not execute with the same operands, or whose
    /// warpgroup is incomplete.</summary>
    WarpgroupDivergence,

    /// <summary>A descriptor of a matrix with an invalid field, or one that differs between the threads of a
    /// warp.</summary>
    InvalidDescriptor,

    /// <summary>An access to global memory in a dependent launch, by a thread that has not executed
    /// <c>griddepcontrol.wait</c>: the launch before may not have ended. Also a dependent launch in which no thread
    /// has executed it.</summary>
    DependencyNotWaited,

    /// <summary>An instruction whose operands or operation the hardware leaves undefined.</summary>
    InvalidOperation,

    /// <summary>The kernel executed <c>trap</c>.</summary>
    Trap,

    /// <summary>A warp executed more instructions than <see cref="EmulatorOptions.MaxWarpInstructions"/>.</summary>
    Timeout,
}
