using PtxEmulator.Memory;

namespace PtxEmulator.Execution;

/// <summary>One instruction that the four warps of a warpgroup execute together.</summary>
internal sealed class WarpgroupStep
{
    /// <summary>The instruction.</summary>
    public Instruction Instruction { get; set; } = null!;

    public ulong DescriptorA { get; set; }

    public ulong DescriptorB { get; set; }

    public bool Accumulates { get; set; }

    /// <summary>What the instruction reads from shared memory; null if nothing.</summary>
    public ProductRead? Read { get; set; }

    /// <summary>The matrix A: 64 rows of sixteen elements.</summary>
    public float[] A { get; } = new float[WarpgroupMmaInstruction.Rows * WarpgroupMmaInstruction.Depth];

    /// <summary>The matrix B in the order of <see cref="WarpgroupProduct"/>.</summary>
    public float[] B { get; set; } = [];
}
