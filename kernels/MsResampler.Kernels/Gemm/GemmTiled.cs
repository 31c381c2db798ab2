using ILGPU;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Gemm;

/// <summary>C = epilogue(A·Wᵀ + bias) in float32, any number of products of one size in one launch.</summary>
/// <remarks>
/// <para>A block computes one tile of C from slices of 16 columns of A and W. A slice waits in registers while the one
/// before it is multiplied, and goes to the other of two stages in shared memory: one barrier a slice.</para>
/// <para>A stage holds a slice transposed, [16, rows], so that a thread reads its four rows at once. Row r of column k
/// lies at r ⊕ 8·(k/4 mod 4): the lanes of a warp store columns k, k+4, k+8 and k+12 of eight rows together, and this
/// spreads them over all 32 banks; groups of four rows stay together.</para>
/// <para>An element is the sum over k in ascending order, rounded once for each product, whatever the tile's shape and
/// place: the same row gives the same bits in any batch.</para>
/// <para>An overflow becomes NaN, so that no later step can turn it finite again; the last product
/// notes where it finds one (<see cref="OverflowNote"/>).</para>
/// <para>Grid: x = tiles of C, along its rows first so that blocks that run together read the same W; y = products.
/// Shared memory: 2·16·(rows + columns)·4 bytes, 32 KiB for 128 × 128.</para>
/// </remarks>
/// <typeparam name="TTile">The block's shape.</typeparam>
/// <typeparam name="TEpilogue">What is done to each element at the end.</typeparam>
internal static class GemmTiled<TTile, TEpilogue>
    where TTile : struct, IGemmTile
    where TEpilogue : struct, IEpilogue
{
    /// <summary>Float4s of a slice's row.</summary>
    private const int SliceVectors = 4;

    /// <summary>Threads of a block.</summary>
    public static int GroupSize => TTile.ThreadRows * TTile.ThreadColumns;

    /// <summary>Rows of C in a tile.</summary>
    public static int TileRows => 4 * TTile.ThreadRows * TTile.RowGroups;

    /// <summary>Groups of four columns of C in a tile.</summary>
    public static int TileVectors => TTile.ThreadColumns * TTile.ColumnGroups;

    private static int RowVectors => TTile.ThreadRows * TTile.RowGroups;

    /// <param name="a">A, [rows, 4·inner].</param>
    /// <param name="w">W, [4·columns, 4·inner].</param>
    /// <param name="bias">[4·columns] for each product.</param>
    /// <param name="c">Receives C.</param>
    /// <param name="note"><see cref="OverflowNote"/> of the lowest row that has a NaN. Empty where
    /// nobody asks.</param>
    /// <param name="rowCount">Rows of A and C.</param>
    /// <param name="columnVectors">Groups of four columns of C.</param>
    /// <param name="innerVectors">Groups of four columns of A.</param>
    /// <param name="aStride">Groups of four from one row of A to the next.</param>
    /// <param name="wStride">Groups of four from one row of W to the next.</param>
    /// <param name="cRowStride">Groups of four from one row of C to the next.</param>
    /// <param name="cColumnStride">Groups of four from one group of columns of C to the next; 1 for a row-major C.
    /// </param>
    /// <param name="aBatchStride">Groups of four from one product's A to the next's.</param>
    /// <param name="wBatchStride">The same of W.</param>
    /// <param name="biasBatchStride">The same of the bias.</param>
    /// <param name="cBatchStride">The same of C.</param>
    /// <param name="firstNoted">What the note calls row 0.</param>
    /// <param name="limit">Elements become NaN where their magnitude is not less than this.</param>
    public static void Run(ArrayView<Float4> a, ArrayView<Float4> w, ArrayView<Float4> bias, ArrayView<Float4> c,
        ArrayView<int> note, int rowCount, int columnVectors, int innerVectors, int aStride, int wStride, int cRowStride,
        int cColumnStride, int aBatchStride, int wBatchStride, int biasBatchStride, int cBatchStride, int firstNoted,
        float limit)
    {
        var stages = SharedMemory.Allocate<Float4>(2 * 16 * (RowVectors + TileVectors));
        var elements = stages.Cast<float>();
        int rowTiles = (rowCount + TileRows - 1) / TileRows;
        int firstRow = Grid.IdxX % rowTiles * TileRows;
        int firstVector = Grid.IdxX / rowTiles * TileVectors;
        int product = Grid.IdxY;

        // Loads: four threads share a row of the slice; rows past the end repeat the last one and are never stored.
        int rowsAtOnce = GroupSize / SliceVectors;
        int aLoads = TileRows / rowsAtOnce;
        int wLoads = 4 * TileVectors / rowsAtOnce;
        int chunk = Group.IdxX % SliceVectors;
        int loadRow = Group.IdxX / SliceVectors;
        var aOffset = new int[aLoads];
        var wOffset = new int[wLoads];
        for (int load = 0; load < aLoads; load++)
        {
            aOffset[load] = (product * aBatchStride)
                + (IntrinsicMath.Min(firstRow + loadRow + (load * rowsAtOnce), rowCount - 1) * aStride);
        }

        for (int load = 0; load < wLoads; load++)
        {
            int row = (4 * firstVector) + loadRow + (load * rowsAtOnce);
            wOffset[load] = (product * wBatchStride) + (IntrinsicMath.Min(row, (4 * columnVectors) - 1) * wStride);
        }

        int threadRow = Group.IdxX / TTile.ThreadColumns;
        int threadColumn = Group.IdxX % TTile.ThreadColumns;
        var sums = new float[16 * TTile.RowGroups * TTile.ColumnGroups];
        for (int index = 0; index < 16 * TTile.RowGroups * TTile.ColumnGroups; index++)
            sums[index] = 0;
        var aNext = new Float4[aLoads];
        var wNext = new Float4[wLoads];

        int stage = 0;
        int sliceCount = (innerVectors + SliceVectors - 1) / SliceVectors;
        for (int slice = -1; slice < sliceCount; slice++)
        {
            int column = ((slice + 1) * SliceVectors) + chunk;
            for (int load = 0; load < aLoads; load++)
            {
                aNext[load] = default;
                if (column < innerVectors)
                    aNext[load] = a[aOffset[load] + column];
            }

            for (int load = 0; load < wLoads; load++)
            {
                wNext[load] = default;
                if (column < innerVectors)
                    wNext[load] = w[wOffset[load] + column];
            }

            if (slice >= 0)
            {
                int stageStart = stage * 16 * (RowVectors + TileVectors);
                for (int k = 0; k < 16; k++)
                {
                    int aStart = stageStart + (k * RowVectors) + (threadRow ^ (2 * (k / 4)));
                    int wStart = stageStart + (16 * RowVectors) + (k * TileVectors) + (threadColumn ^ (2 * (k / 4)));
                    var left = new float[4 * TTile.RowGroups];
                    for (int group = 0; group < TTile.RowGroups; group++)
                    {
                        Float4 value = stages[aStart + (group * TTile.ThreadRows)];
                        left[4 * group] = value.X;
                        left[(4 * group) + 1] = value.Y;
                        left[(4 * group) + 2] = value.Z;
                        left[(4 * group) + 3] = value.W;
                    }

                    for (int group = 0; group < TTile.ColumnGroups; group++)
                    {
                        Float4 right = stages[wStart + (group * TTile.ThreadColumns)];
                        for (int row = 0; row < 4 * TTile.RowGroups; row++)
                        {
                            int sum = 4 * ((row * TTile.ColumnGroups) + group);
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

        int lowest = rowCount;
        for (int group = 0; group < TTile.ColumnGroups; group++)
        {
            int vector = firstVector + threadColumn + (group * TTile.ThreadColumns);
            Float4 addend = bias[(product * biasBatchStride) + IntrinsicMath.Min(vector, columnVectors - 1)];
            for (int index = 0; index < 4 * TTile.RowGroups; index++)
            {
                int row = firstRow + (4 * threadRow) + (index % 4) + (index / 4 * 4 * TTile.ThreadRows);
                int sum = 4 * ((index * TTile.ColumnGroups) + group);
                Float4 value = new Float4(TEpilogue.Apply(sums[sum] + addend.X),
                    TEpilogue.Apply(sums[sum + 1] + addend.Y), TEpilogue.Apply(sums[sum + 2] + addend.Z),
                    TEpilogue.Apply(sums[sum + 3] + addend.W)).Inside(limit);
                bool isPart = vector < columnVectors & row < rowCount;
                if (isPart)
                    c[(product * cBatchStride) + (row * cRowStride) + (vector * cColumnStride)] = value;
                bool isNoted = isPart & value.HasNaN();
                lowest = IntrinsicMath.Min(lowest, isNoted ? row : rowCount);
            }
        }

        if (lowest < rowCount)
            OverflowNote.Add(note, firstNoted + lowest);
    }

    /// <summary>Stores four elements of a slice's row as parts of four columns.</summary>
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
