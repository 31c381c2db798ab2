using ILGPU;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Perf.Ceilings;

/// <summary>Matrix products in registers only. Their speed is the limit of the device's tensor cores with
/// <see cref="Mma"/>. Needs sm_80 or later.</summary>
/// <remarks>Every warp multiplies each of <see cref="TileCount"/> fragments A by each of <see cref="TileCount"/>
/// fragments B, again and again, with one accumulator per pair. With two warps per scheduler, that many independent
/// accumulators hide the latency of the instruction. The operands change from one instruction to the next, as they do
/// in a real matrix product; power, and therefore the clock, depends on that. Grid: x = blocks of any number of warps.
/// No shared memory.</remarks>
/// <typeparam name="TElement">The type of the operands.</typeparam>
internal static class MmaCeiling<TElement>
    where TElement : struct, IMmaElement
{
    /// <summary>Fragments of each operand.</summary>
    public const int TileCount = 4;

    /// <summary>Products of each pair in a step: enough that the loop overhead is less than 5% of the
    /// instructions.</summary>
    public const int RepeatCount = 4;

    /// <summary>Threads of a block.</summary>
    public const int BlockSize = 256;

    /// <summary>Multiplications and additions of one warp in one step. An instruction has m = 16, n = 8, and k is
    /// as many elements as fit 32 bytes.</summary>
    public static long FlopsPerStep => 2L * RepeatCount * TileCount * TileCount * 16 * 8 * (32 / TElement.Bytes);

    /// <param name="a">Fragments A, one vector per lane, [<see cref="TileCount"/>, 32].</param>
    /// <param name="b">Fragments B, one vector per lane, [<see cref="TileCount"/>, 32].</param>
    /// <param name="sums">Receives the sum of the accumulators of each thread.</param>
    /// <param name="stepCount">Each pair is multiplied <see cref="RepeatCount"/> times this number.</param>
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
