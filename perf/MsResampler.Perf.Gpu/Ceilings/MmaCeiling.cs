using ILGPU;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Perf.Ceilings;

/// <summary>Matrix products in registers and nothing else: what a device's tensor cores do at most with
/// <see cref="Mma"/>; from sm_80 on.</summary>
/// <remarks>Every warp multiplies <see cref="TileCount"/> fragments A by as many B, each pair into an accumulator of
/// its own, over and over. So many independent sums hide an instruction's latency with two warps a scheduler, and operands
/// change from one instruction to the next as they do in a matrix product, which is what the device's power and so its
/// clock depend on. Grid: x = blocks of any number of warps. No shared memory.</remarks>
/// <typeparam name="TElement">The type of the operands.</typeparam>
internal static class MmaCeiling<TElement>
    where TElement : struct, IMmaElement
{
    /// <summary>Fragments of either operand.</summary>
    public const int TileCount = 4;

    /// <summary>Products of each pair in a step: enough that the loop's own instructions are less than a
    /// twentieth.</summary>
    public const int RepeatCount = 4;

    /// <summary>Threads of a block.</summary>
    public const int GroupSize = 256;

    /// <summary>Multiplications and additions of one warp in one step: m·n·k of an instruction is 16 × 8 × 32
    /// bytes.</summary>
    public static long FlopsPerStep => 2L * RepeatCount * TileCount * TileCount * 16 * 8 * (32 / TElement.Bytes);

    /// <param name="a">Fragments A as lanes hold them, [<see cref="TileCount"/>, 32].</param>
    /// <param name="b">Fragments B likewise.</param>
    /// <param name="sums">Receives of each thread the sum of its accumulators.</param>
    /// <param name="stepCount">How often each pair is multiplied, in <see cref="RepeatCount"/>s.</param>
    public static void Run(ArrayView<UInt4> a, ArrayView<UInt2> b, ArrayView<Float4> sums, int stepCount)
    {
        int lane = Group.IdxX % 32;
        var left = new UInt4[TileCount];
        var right = new UInt2[TileCount];
        for (int tile = 0; tile < TileCount; tile++)
        {
            left[tile] = TElement.Round(a[(tile * 32) + lane]);
            right[tile] = b[(tile * 32) + lane];
        }

        var accumulators = new Float4[TileCount * TileCount];
        for (int index = 0; index < TileCount * TileCount; index++)
            accumulators[index] = new Float4(0, 0, 0, 0);
        for (int step = 0; step < stepCount; step++)
        {
            for (int product = 0; product < RepeatCount * TileCount * TileCount; product++)
            {
                int pair = product % (TileCount * TileCount);
                UInt2 columns = right[pair % TileCount];
                accumulators[pair] =
                    TElement.AddProduct(accumulators[pair], left[pair / TileCount], columns.X, columns.Y);
            }
        }

        var sum = new Float4(0, 0, 0, 0);
        for (int index = 0; index < TileCount * TileCount; index++)
            sum = sum.Plus(accumulators[index]);
        sums[(Grid.IdxX * Group.DimX) + Group.IdxX] = sum;
    }
}
