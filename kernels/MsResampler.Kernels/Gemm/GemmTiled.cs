using ILGPU;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Gemm;

/// <summary>C = epilogue(A·Wᵀ + bias) in float32: any number of products of one size in one launch.</summary>
/// <remarks>
/// <para>A block computes one tile of C from slices of 16 columns of A and W. A slice waits in registers while the
/// one before it is multiplied, and is then stored to the other of two stages in shared memory: one barrier per
/// slice.</para>
/// <para>A stage holds a slice transposed, [16, rows], so that a thread reads its four rows at once. Row r of column
/// k is stored at position r ⊕ 8·(k/4 mod 4): the lanes of a warp store columns k, k+4, k+8 and k+12 of eight rows
/// together, and this spreads them over all 32 banks, while the four rows of a quad stay together.</para>
/// <para>An element is the sum over k in ascending order, rounded once per product, whatever the shape and position
/// of the tile: the same row has the same bits in any batch.</para>
/// <para>An overflow becomes NaN, so that no later step can make it finite again. The last product reports the
/// lowest row with a NaN (<see cref="OverflowNote"/>).</para>
/// <para>Grid: x = tiles of C, along its rows first so that concurrent blocks read the same W; y = products. Block:
/// <see cref="BlockSize"/> threads. Shared memory: 2·16·(rows + columns)·4 bytes, 32 KiB for 128 × 128.</para>
/// </remarks>
/// <typeparam name="TTile">The shape of the tile.</typeparam>
/// <typeparam name="TEpilogue">The final operation on each element.</typeparam>
internal static class GemmTiled<TTile, TEpilogue>
    where TTile : struct, IGemmTile
    where TEpilogue : struct, IEpilogue
{
    /// <summary>Vectors in a row of a slice.</summary>
    private const int SliceVectors = 4;

    /// <summary>Threads of a block.</summary>
    public static int BlockSize => TTile.ThreadRows * TTile.ThreadColumns;

    /// <summary>Rows of C in a tile.</summary>
    public static int TileRows => 4 * TTile.ThreadRows * TTile.RowQuads;

    /// <summary>Vectors of four columns of C in a tile.</summary>
    public static int TileVectors => TTile.ThreadColumns * TTile.ColumnQuads;

    private static int RowVectors => TTile.ThreadRows * TTile.RowQuads;

    /// <summary>Computes products. A vector is four floats, and so also a quad.</summary>
    /// <param name="a">A, [rows, inner] in vectors.</param>
    /// <param name="w">W, [columns, inner] in vectors.</param>
    /// <param name="bias">The bias of each product, [columns] in vectors.</param>
    /// <param name="c">Receives C, [rows, columns].</param>
    /// <param name="note">The <see cref="OverflowNote"/> of the lowest row with a NaN; empty if it is not
    /// wanted.</param>
    /// <param name="layout">Extents and strides.</param>
    public static void Run(ArrayView<Float4> a, ArrayView<Float4> w, ArrayView<Float4> bias, ArrayView<Float4> c,
        ArrayView<int> note, GemmLayout layout)
    {
        var stages = SharedMemory.Allocate<Float4>(2 * 16 * (RowVectors + TileVectors));
        var elements = stages.Cast<float>();
        int rowTiles = (layout.RowCount + TileRows - 1) / TileRows;
        int firstRow = Grid.IdxX % rowTiles * TileRows;
        int firstVector = Grid.IdxX / rowTiles * TileVectors;
        int product = Grid.IdxY;

        // Four threads load a row of the slice. Rows beyond the last one repeat it and are never stored.
        int rowsAtOnce = BlockSize / SliceVectors;
        int aLoads = TileRows / rowsAtOnce;
        int wLoads = 4 * TileVectors / rowsAtOnce;
        int chunk = Group.IdxX % SliceVectors;
        int loadRow = Group.IdxX / SliceVectors;
        var aOffset = new int[aLoads];
        var wOffset = new int[wLoads];
        for (int load = 0; load < aLoads; load++)
        {
            aOffset[load] = (product * layout.ABatchStride)
                + (IntrinsicMath.Min(firstRow + loadRow + (load * rowsAtOnce), layout.RowCount - 1) * layout.AStride);
        }

        for (int load = 0; load < wLoads; load++)
        {
            int row = (4 * firstVector) + loadRow + (load * rowsAtOnce);
            wOffset[load] = (product * layout.WBatchStride)
                + (IntrinsicMath.Min(row, (4 * layout.ColumnQuads) - 1) * layout.WStride);
        }

        int threadRow = Group.IdxX / TTile.ThreadColumns;
        int threadColumn = Group.IdxX % TTile.ThreadColumns;
        var sums = new float[16 * TTile.RowQuads * TTile.ColumnQuads];
        for (int index = 0; index < 16 * TTile.RowQuads * TTile.ColumnQuads; index++)
            sums[index] = 0;
        var aNext = new Float4[aLoads];
        var wNext = new Float4[wLoads];

        int stage = 0;
        int sliceCount = (layout.InnerVectors + SliceVectors - 1) / SliceVectors;
        for (int slice = -1; slice < sliceCount; slice++)
        {
            int column = ((slice + 1) * SliceVectors) + chunk;
            for (int load = 0; load < aLoads; load++)
            {
                aNext[load] = default;
                if (column < layout.InnerVectors)
                    aNext[load] = a[aOffset[load] + column];
            }

            for (int load = 0; load < wLoads; load++)
            {
                wNext[load] = default;
                if (column < layout.InnerVectors)
                    wNext[load] = w[wOffset[load] + column];
            }

            if (slice >= 0)
            {
                int stageStart = stage * 16 * (RowVectors + TileVectors);
                for (int k = 0; k < 16; k++)
                {
                    int aStart = stageStart + (k * RowVectors) + (threadRow ^ (2 * (k / 4)));
                    int wStart = stageStart + (16 * RowVectors) + (k * TileVectors) + (threadColumn ^ (2 * (k / 4)));
                    var left = new float[4 * TTile.RowQuads];
                    for (int quad = 0; quad < TTile.RowQuads; quad++)
                    {
                        Float4 value = stages[aStart + (quad * TTile.ThreadRows)];
                        left[4 * quad] = value.X;
                        left[(4 * quad) + 1] = value.Y;
                        left[(4 * quad) + 2] = value.Z;
                        left[(4 * quad) + 3] = value.W;
                    }

                    for (int quad = 0; quad < TTile.ColumnQuads; quad++)
                    {
                        Float4 right = stages[wStart + (quad * TTile.ThreadColumns)];
                        for (int row = 0; row < 4 * TTile.RowQuads; row++)
                        {
                            int sum = 4 * ((row * TTile.ColumnQuads) + quad);
                            sums[sum] = PtxMath.Fma(left[row], right.X, sums[sum]);
                            sums[sum + 1] = PtxMath.Fma(left[row], right.Y, sums[sum + 1]);
                            sums[sum + 2] = PtxMath.Fma(left[row], right.Z, sums[sum + 2]);
                            sums[sum + 3] = PtxMath.Fma(left[row], right.W, sums[sum + 3]);
                        }
                    }
                }

                stage ^= 1;
            }

            int start = 4 * stage * 16 * (RowVectors + TileVectors);
            for (int load = 0; load < aLoads; load++)
                StoreTransposed(elements, start, TileRows, chunk, loadRow + (load * rowsAtOnce), aNext[load]);
            for (int load = 0; load < wLoads; load++)
            {
                StoreTransposed(elements, start + (64 * RowVectors), 4 * TileVectors, chunk,
                    loadRow + (load * rowsAtOnce), wNext[load]);
            }

            Group.Barrier();
        }

        int lowest = layout.RowCount;
        for (int quad = 0; quad < TTile.ColumnQuads; quad++)
        {
            int vector = firstVector + threadColumn + (quad * TTile.ThreadColumns);
            Float4 addend = bias[(product * layout.BiasBatchStride)
                + IntrinsicMath.Min(vector, layout.ColumnQuads - 1)];
            for (int index = 0; index < 4 * TTile.RowQuads; index++)
            {
                int row = firstRow + (4 * threadRow) + (index % 4) + (index / 4 * 4 * TTile.ThreadRows);
                int sum = 4 * ((index * TTile.ColumnQuads) + quad);
                Float4 value = new Float4(TEpilogue.Apply(sums[sum] + addend.X),
                    TEpilogue.Apply(sums[sum + 1] + addend.Y), TEpilogue.Apply(sums[sum + 2] + addend.Z),
                    TEpilogue.Apply(sums[sum + 3] + addend.W)).Inside(layout.Limit);
                bool isPart = vector < layout.ColumnQuads & row < layout.RowCount;
                if (isPart)
                {
                    c[(product * layout.CBatchStride) + (row * layout.CRowStride)
                        + (vector * layout.CColumnStride)] = value;
                }

                bool isNoted = isPart & value.HasNaN();
                lowest = IntrinsicMath.Min(lowest, isNoted ? row : layout.RowCount);
            }
        }

        if (lowest < layout.RowCount)
            OverflowNote.Add(note, layout.FirstNoted + lowest);
    }

    /// <summary>Stores four elements of a row of a slice into its four columns.</summary>
    private static void StoreTransposed(ArrayView<float> stage, int start, int columnLength, int chunk, int row,
        Float4 value)
    {
        int first = start + (4 * chunk * columnLength) + (row ^ (8 * chunk));
        stage[first] = value.X;
        stage[first + columnLength] = value.Y;
        stage[first + (2 * columnLength)] = value.Z;
        stage[first + (3 * columnLength)] = value.W;
    }
}
