using System.Runtime.CompilerServices;

namespace PtxEmulator.Execution;

/// <summary><c>wgmma.mma_async</c> with 64 rows and float32 accumulators. The result is in the registers at once;
/// <see cref="PendingProducts"/> checks that nothing uses it before a wait.</summary>
internal sealed unsafe class WarpgroupMmaInstruction : Instruction
{
    public const int Rows = 64;
    public const int Depth = 16;

    /// <summary>The rows of a warp.</summary>
    public const int WarpRows = Rows / Warpgroup.WarpCount;

    public required int Columns { get; init; }

    /// <summary>The kind of the elements of A and B, which have 16 bits.</summary>
    public required PtxTypeKind Kind { get; init; }

    public required int[] D { get; init; }

    /// <summary>Four registers of packed elements; null if A is in shared memory.</summary>
    public required int[]? A { get; init; }

    /// <summary>The register with the descriptor of A; negative if A is in registers.</summary>
    public required int DescriptorA { get; init; }

    public required int DescriptorB { get; init; }

    /// <summary>The predicate that is false if the result is the product alone.</summary>
    public required int Accumulates { get; init; }

    public required uint AccumulatesFlip { get; init; }

    public required bool IsNegatedA { get; init; }

    public required bool IsNegatedB { get; init; }

    /// <summary>Whether A is M-major in shared memory.</summary>
    public required bool IsTransposedA { get; init; }

    /// <summary>Whether B is N-major in shared memory.</summary>
    public required bool IsTransposedB { get; init; }

    /// <summary>The set of the accumulators.</summary>
    public ulong[] Accumulators { get; set; } = [];

    /// <summary>The set of the registers of A.</summary>
    public ulong[] Inputs { get; set; } = [];

    /// <summary>The index of the shape among those of the kernel.</summary>
    public int Shape { get; set; }

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Execute(Warp warp, uint mask)
    {
        warp.RequireWhole(mask);
        Warpgroup group = warp.RequireWarpgroup();
        ulong a = A == null ? Uniform(warp, DescriptorA, 'a') : 0;
        ulong b = Uniform(warp, DescriptorB, 'b');
        uint accumulates = *(uint*)(warp.Registers + Accumulates) ^ AccumulatesFlip;
        if (accumulates is not (0 or Lanes.All))
        {
            throw warp.Fault(PtxFaultKind.InvalidDescriptor, "the predicate scale-d must be the same in all threads of "
                + $"the warp, it is true in the threads 0x{accumulates:x8}", 0);
        }
        warp.Products!.Check(warp, this);
        WarpgroupStep step = group.Find(warp, this, a, b, accumulates != 0)
            ?? group.Begin(warp, this, a, b, accumulates != 0);
        warp.Products.Start(this, step.Read!);
        float* spread = stackalloc float[WarpgroupProduct.SpreadCount + 16];
        spread = (float*)(((nuint)spread + Lanes.ChunkBytes - 1) & ~(nuint)(Lanes.ChunkBytes - 1));
        fixed (float* rows = step.A, columns = step.B)
        {
            if (A == null)
                SpreadRows(rows + (warp.Index % Warpgroup.WarpCount * WarpRows * Depth), spread);
            else
                SpreadRegisters(warp.Registers, spread);
            if (warp.Block.Launch.Options.TruncatesMatrixSums)
                WarpgroupProduct.AddTruncated(warp.Registers, D, accumulates != 0, spread, columns);
            else
                WarpgroupProduct.Add(warp.Registers, D, accumulates != 0, spread, columns);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void SpreadRows(float* rows, float* spread)
    {
        for (int row = 0; row < WarpRows; row++)
        {
            for (int k = 0; k < Depth; k++)
                WarpgroupProduct.Spread(rows[(row * Depth) + k], row, k, spread);
        }
    }

    /// <summary>Element e of half h of register i of thread t is in row t / 4 + 8·(i mod 2) and column
    /// 2·(t mod 4) + h + 8·(i / 2).</summary>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void SpreadRegisters(byte* registers, float* spread)
    {
        float* elements = stackalloc float[Lanes.Count];
        for (int index = 0; index < A!.Length; index++)
        {
            for (int half = 0; half < 2; half++)
            {
                MatrixElements.Convert(registers + A[index], half, Kind, 16, elements);
                for (int lane = 0; lane < Lanes.Count; lane++)
                {
                    float element = IsNegatedA ? -elements[lane] : elements[lane];
                    WarpgroupProduct.Spread(element, (lane >> 2) + (8 * (index & 1)),
                        (2 * (lane & 3)) + half + (8 * (index >> 1)), spread);
                }
            }
        }
    }

    /// <summary>The value of a descriptor, which must be the same in all threads.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static ulong Uniform(Warp warp, int slot, char matrix)
    {
        ulong* values = (ulong*)(warp.Registers + slot);
        for (int lane = 1; lane < Lanes.Count; lane++)
        {
            if (values[lane] != values[0])
            {
                throw warp.Fault(PtxFaultKind.InvalidDescriptor, $"the {matrix}-descriptor must be the same in all "
                    + $"threads of the warp; it is 0x{values[0]:x16} in thread 0 and 0x{values[lane]:x16} in thread "
                    + $"{lane}", lane);
            }
        }
        return values[0];
    }
}
