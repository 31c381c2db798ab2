namespace PtxEmulator.Execution;

/// <summary>A sum that the assembler may fuse with the product that one of its operands is. Like an assembler, the
/// emulator decides once for each instruction of a kernel.</summary>
/// <param name="separate">The sum alone.</param>
/// <param name="fused">The sums fused with one of the products, each with one rounding.</param>
internal sealed class ContractibleInstruction(Instruction separate, Instruction[] fused) : Instruction
{
    public override void Execute(Warp warp, uint mask)
    {
        int choice = warp.Block.Launch.Options.ContractionSeed is { } seed
            ? new SplitMix(seed + ((ulong)Index << 32)).Next(fused.Length + 1) : 0;
        (choice == 0 ? separate : fused[choice - 1]).Execute(warp, mask);
    }
}
