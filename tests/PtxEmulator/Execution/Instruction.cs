namespace PtxEmulator.Execution;

/// <summary>A decoded instruction. Its operands are offsets into the registers of a warp.</summary>
internal abstract class Instruction
{
    /// <summary>The predicate register of the guard; an always-true predicate if there is no guard.</summary>
    public int Guard { get; set; }

    /// <summary>All ones if the guard is negated.</summary>
    public uint GuardFlip { get; set; }

    public bool IsGuarded { get; set; }

    /// <summary>The index in the code.</summary>
    public int Index { get; set; }

    /// <summary>The instruction in the PTX text; null for instructions that the decoder adds, which are not
    /// counted.</summary>
    public Statement? Source { get; set; }

    /// <summary>Floating-point operations per thread.</summary>
    public int Flops { get; set; }

    /// <summary>The possible branch targets.</summary>
    public virtual IReadOnlyList<Label> Targets => [];

    /// <summary>Whether execution can continue with the next instruction.</summary>
    public virtual bool FallsThrough => true;

    public string Text => Source?.Text ?? "";

    /// <summary>Executes the instruction for the threads of a non-empty mask.</summary>
    public abstract void Execute(Warp warp, uint mask);
}
