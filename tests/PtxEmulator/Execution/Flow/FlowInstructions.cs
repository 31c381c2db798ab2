using System.Numerics;

namespace PtxEmulator.Execution;

/// <summary><c>bra</c>, and the return of an inlined function.</summary>
internal sealed class BranchInstruction(Label target) : Instruction
{
    public override IReadOnlyList<Label> Targets { get; } = [target];

    public override bool FallsThrough => IsGuarded;

    public override void Execute(Warp warp, uint mask) => warp.Branch(target.Index, mask);
}

/// <summary><c>brx.idx</c>: each thread branches to the label that its index selects.</summary>
internal sealed unsafe class IndexedBranchInstruction(Label[] targets, int index) : Instruction
{
    public override IReadOnlyList<Label> Targets => targets;

    public override bool FallsThrough => IsGuarded;

    public override void Execute(Warp warp, uint mask)
    {
        uint* indices = (uint*)(warp.Registers + index);
        for (uint rest = mask; rest != 0;)
        {
            int first = BitOperations.TrailingZeroCount(rest);
            uint chosen = indices[first];
            if (chosen >= (uint)targets.Length)
            {
                throw warp.Fault(PtxFaultKind.InvalidOperation, $"branch {chosen} of {targets.Length} targets",
                    first);
            }
            uint group = 0;
            for (uint other = rest; other != 0; other &= other - 1)
            {
                int lane = BitOperations.TrailingZeroCount(other);
                group |= indices[lane] == chosen ? 1u << lane : 0;
            }
            warp.Branch(targets[chosen].Index, group);
            rest &= ~group;
        }
    }
}

/// <summary><c>exit</c>, and <c>ret</c> of the entry.</summary>
internal sealed class ExitInstruction : Instruction
{
    public override bool FallsThrough => IsGuarded;

    public override void Execute(Warp warp, uint mask) => warp.Exit(mask);
}

/// <summary><c>trap</c>.</summary>
internal sealed class TrapInstruction : Instruction
{
    public override void Execute(Warp warp, uint mask)
        => throw warp.Fault(PtxFaultKind.Trap, "the kernel executed trap", BitOperations.TrailingZeroCount(mask));
}

/// <summary><c>griddepcontrol.wait</c>: waits for the launch before.</summary>
internal sealed class DependencyWaitInstruction : Instruction
{
    public override void Execute(Warp warp, uint mask)
    {
        warp.Ordered |= mask;
        warp.Block.HasWaited = true;
    }
}

/// <summary>An instruction without effect in the emulator: a fence, prefetch or hint.</summary>
internal sealed class NoInstruction : Instruction
{
    public override void Execute(Warp warp, uint mask)
    {
    }
}
