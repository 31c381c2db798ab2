namespace PtxEmulator.Execution;

/// <summary>An instruction that accesses registers of products of warpgroups: no product that uses them may be in
/// flight.</summary>
internal sealed class TrackedInstruction : Instruction
{
    private readonly ulong[] _registers;

    /// <param name="inner">The instruction.</param>
    /// <param name="registers">The registers that it accesses.</param>
    public TrackedInstruction(Instruction inner, ulong[] registers)
    {
        _registers = registers;
        Inner = inner;
        Guard = inner.Guard;
        GuardFlip = inner.GuardFlip;
        IsGuarded = inner.IsGuarded;
        Index = inner.Index;
        Source = inner.Source;
        Flops = inner.Flops;
    }

    public Instruction Inner { get; }

    public override IReadOnlyList<Label> Targets => Inner.Targets;

    public override bool FallsThrough => Inner.FallsThrough;

    public override void Execute(Warp warp, uint mask)
    {
        warp.Products!.Touch(warp, this, _registers);
        Inner.Execute(warp, mask);
    }
}
