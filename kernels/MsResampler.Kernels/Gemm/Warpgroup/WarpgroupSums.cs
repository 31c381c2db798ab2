using MsResampler.Kernels.Ptx.Writing;

namespace MsResampler.Kernels.Gemm.Warpgroup;

/// <summary>A warpgroup's tile of C, 64 rows and a multiple of 16 columns, as float32 sums in the registers of its
/// threads.</summary>
/// <remarks>Warp w of the warpgroup has rows 16w to 16w+15. If W is stored at <see cref="SliceTile.ColumnOf"/>, lane 4g
/// + t holds, of every 16 columns, columns 4t to 4t+3 of rows g and g+8: whole sectors of memory for the four lanes of
/// a row. PTX ISA, wgmma.mma_async: Register Fragments, accumulator D.</remarks>
internal sealed class WarpgroupSums
{
    private readonly PtxWriter _writer;
    private readonly MatrixType _type;
    private readonly F32[] _sums;

    /// <param name="writer">The writer.</param>
    /// <param name="type">The type of A and W.</param>
    /// <param name="columns">Columns.</param>
    public WarpgroupSums(PtxWriter writer, MatrixType type, int columns)
    {
        (_writer, _type) = (writer, type);
        // The first product of a tile replaces the sums. Without a value before the loops, the assembler would still
        // let each product wait for the one before (its message C7515).
        _sums = [.. Enumerable.Range(0, columns / 2).Select(_ => writer.FloatVariable(0))];
    }

    /// <summary>Tiles of 16 columns.</summary>
    public int PairCount => _sums.Length / 8;

    /// <summary>Starts to add the product of a slice of A and W.</summary>
    /// <param name="a">The descriptor of A's 64 rows.</param>
    /// <param name="w">The descriptor of W's rows.</param>
    /// <param name="adds">Whether there are sums to add to; otherwise the product replaces them.</param>
    public void AddProduct(U64 a, U64 w, Predicate adds)
    {
        _writer.FenceSums();
        for (int step = 0; step < SliceTile.StepCount; step++)
        {
            _writer.MultiplyMatrices(_type, _sums, a + (step * SliceTile.StepUnits), w + (step * SliceTile.StepUnits),
                step == 0 ? adds : null);
        }

        _writer.CommitProducts();
    }

    /// <summary>Waits until all but the last products are added.</summary>
    public void Wait(int remaining) => _writer.WaitForProducts(remaining);

    /// <summary>The four neighbouring sums of row g.</summary>
    public F32[] Upper(int pair) => [_sums[8 * pair], _sums[(8 * pair) + 1], _sums[(8 * pair) + 4],
        _sums[(8 * pair) + 5]];

    /// <summary>The four neighbouring sums of row g+8.</summary>
    public F32[] Lower(int pair) => [_sums[(8 * pair) + 2], _sums[(8 * pair) + 3], _sums[(8 * pair) + 6],
        _sums[(8 * pair) + 7]];
}
