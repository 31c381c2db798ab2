namespace PtxEmulator.Execution;

/// <summary>A decoded instruction: operands are offsets into a warp's registers.</summary>
internal abstract class Instruction
{
    /// <summary>The guard's predicate register; one that is always true where there is none.</summary>
    public int Guard { get; set; }

    /// <summary>All ones where the guard is negated.</summary>
    public uint GuardFlip { get; set; }

    public bool IsGuarded { get; set; }

    /// <summary>Where it stands in the code.</summary>
    public int Index { get; set; }

    /// <summary>The instruction as written; null for those that decoding adds, which nothing counts.</summary>
    public Statement? Source { get; set; }

    /// <summary>Floating-point operations of one thread.</summary>
    public int Flops { get; set; }

    /// <summary>Where it may branch to.</summary>
    public virtual IReadOnlyList<Label> Targets => [];

    /// <summary>Whether the next instruction may follow.</summary>
    public virtual bool FallsThrough => true;

    public string Text => Source?.Text ?? "";

    /// <summary>Executes it for the threads of a mask, which is not empty.</summary>
    public abstract void Execute(Warp warp, uint mask);
}
