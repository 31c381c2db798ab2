using ILGPU;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Gemm;

/// <summary>C = epilogue(A·Wᵀ·scale + bias + table) on tensor cores, accumulated in float32, any number of products of
/// one size in one launch; from sm_80 on. Only a <see cref="ScaledEpilogue"/> has scales, one a row, and a
/// table.</summary>
/// <remarks>
/// <para>A block computes one tile of C from slices of A and W that are 64 bytes wide. Slices are copied asynchronously
/// to a ring of stages in shared memory (<see cref="SwizzledTile"/>); while one is multiplied, the others arrive: one
/// barrier a slice. Past the last column of A and W copies are of no bytes and leave zeros. Rows past the last one
/// repeat it and are never stored: to read nothing there would cost two instructions a copy, in every tile.</para>
/// <para>An element is the sum of the products of 32 bytes of its row and column, in ascending order, each added to
/// the sum so far by one instruction, whatever the tile's shape and place: the same row gives the same bits in any
/// batch. For the same reason the sum is never split among blocks.</para>
/// <para>A layer normalisation between two products costs no launch: the first stores its rows' sums of squares
/// (<see cref="RowSquares"/>), the mean of each being 0, and the second multiplies each row of its result by
/// 1/√(squares/width + ε), ε in the unit of the row's features.</para>
/// <para>An overflow becomes NaN, so that no later step can turn it finite again; the last product
/// notes where it finds one (<see cref="OverflowNote"/>).</para>
/// <para>Grid: x = tiles of C, in bands of <see cref="BandRows"/> tiles along the rows, so that blocks that run
/// together share what they read in the second-level cache; y = products. Shared memory:
/// stages·64·(rows + columns) bytes, 48 KiB for 128 × 128.</para>
/// </remarks>
/// <typeparam name="TTile">The block's shape.</typeparam>
/// <typeparam name="TElement">The type of A and W.</typeparam>
/// <typeparam name="TEpilogue">What is done to each element at the end.</typeparam>
/// <typeparam name="TOutput">The type of C.</typeparam>
internal static class GemmMma<TTile, TElement, TEpilogue, TOutput>
    where TTile : struct, IGemmMmaTile
    where TElement : struct, IMmaElement
    where TEpilogue : struct, IGemmMmaEpilogue
    where TOutput : struct, IGemmMmaOutput
{
    /// <summary>Tiles along the rows of a band: with as many along the columns, 64 tiles read 16 tiles' rows and
    /// columns.</summary>
    public const int BandRows = 8;

    /// <summary>Threads of a block.</summary>
    public static int GroupSize => 32 * TTile.WarpRows * TTile.WarpColumns;

    /// <summary>Rows of C in a tile.</summary>
    public static int TileRows => 16 * TTile.WarpRows * TTile.RowTiles;

    /// <summary>Columns of C in a tile.</summary>
    public static int TileColumns => 16 * TTile.WarpColumns * TTile.ColumnPairs;

    private static int RowsAtOnce => GroupSize / SwizzledTile.RowChunks;

    private static int StageBytes => (TileRows + TileColumns) * SwizzledTile.RowBytes;

    /// <param name="a">A, [rows, inner], in groups of 16 bytes: 8 elements of 16 bits or 4 of 32. What fills up the
    /// last group of a row is zero, here and in W.</param>
    /// <param name="w">W, [4·columns, inner], likewise.</param>
    /// <param name="bias">[4·columns] for each product.</param>
    /// <param name="c">Receives C, [rows, 4·columns].</param>
    /// <param name="squares"><see cref="RowSquares"/>: a <see cref="SquaresEpilogue"/> stores those of C, as it was
    /// before it was rounded, a <see cref="ScaledEpilogue"/> reads those of A. All products have the same.</param>
    /// <param name="units">What multiplied each row before it was normalised; read where there are squares.</param>
    /// <param name="table">Rows to add to rows of C, all products the same. Read by a <see cref="ScaledEpilogue"/>, as
    /// are all that follow and are about squares and tables.</param>
    /// <param name="tableStarts">For each row of C the first group of four of its row of the table.</param>
    /// <param name="note"><see cref="OverflowNote"/> of the lowest row that has a NaN. Empty where
    /// nobody asks.</param>
    /// <param name="rowCount">Rows of A and C.</param>
    /// <param name="columnVectors">Groups of four columns of C.</param>
    /// <param name="innerVectors">Groups of 16 bytes of a row of A and W.</param>
    /// <param name="aStride">Groups of 16 bytes from one row of A to the next.</param>
    /// <param name="wStride">Groups of 16 bytes from one row of W to the next.</param>
    /// <param name="cRowStride">Groups of four elements from one row of C to the next.</param>
    /// <param name="cColumnStride">Groups of four elements from one group of four columns of C to the next; 1 for a
    /// row-major C.</param>
    /// <param name="aBatchStride">Groups of 16 bytes from one product's A to the next's.</param>
    /// <param name="wBatchStride">The same of W.</param>
    /// <param name="biasBatchStride">Groups of four from one product's bias to the next's.</param>
    /// <param name="cBatchStride">Groups of four from one product's C to the next's.</param>
    /// <param name="squareStride">Elements from one sum of a row's squares to the next.</param>
    /// <param name="squareCount">Sums of squares of a row of A; 0 for scales of 1.</param>
    /// <param name="width">What the squares are divided by: the elements of a row of A.</param>
    /// <param name="tableVectors">Groups of four columns, from the first, to which the table is added; 0 for no table.
    /// </param>
    /// <param name="firstNoted">What the note calls row 0.</param>
    /// <param name="rootEpsilon">√ε.</param>
    /// <param name="limit">Elements become NaN where their magnitude is not less than this, or C's type does not
    /// hold them.</param>
    public static void Run(ArrayView<UInt4> a, ArrayView<UInt4> w, ArrayView<Float4> bias, ArrayView<UInt2> c,
        ArrayView<float> squares, ArrayView<float> units, ArrayView<Float4> table, ArrayView<int> tableStarts,
        ArrayView<int> note,
        int rowCount, int columnVectors, int innerVectors, int aStride, int wStride, int cRowStride, int cColumnStride,
        int aBatchStride, int wBatchStride, int biasBatchStride, int cBatchStride, int squareStride, int squareCount,
        int width, int tableVectors, int firstNoted, float rootEpsilon, float limit)
    {
        uint shared = SwizzledTile.Allocate(TTile.StageCount * StageBytes);
        int product = Grid.IdxY;
        int columnTiles = ((4 * columnVectors) + TileColumns - 1) / TileColumns;
        int band = Grid.IdxX / (BandRows * columnTiles);
        int inBand = Grid.IdxX % (BandRows * columnTiles);
        int bandRows = IntrinsicMath.Min(((rowCount + TileRows - 1) / TileRows) - (band * BandRows), BandRows);
        int firstRow = ((band * BandRows) + (inBand % bandRows)) * TileRows;
        int firstColumn = inBand / bandRows * TileColumns;

        // Copies: four threads share a row of a slice.
        int aCopies = TileRows / RowsAtOnce;
        int wCopies = TileColumns / RowsAtOnce;
        int chunk = Group.IdxX % SwizzledTile.RowChunks;
        int copyRow = Group.IdxX / SwizzledTile.RowChunks;
        uint copyTo = shared + (uint)SwizzledTile.Offset(copyRow, chunk);
        var aPlaces = new int[aCopies];
        for (int copy = 0; copy < aCopies; copy++)
        {
            int row = IntrinsicMath.Min(firstRow + copyRow + (copy * RowsAtOnce), rowCount - 1);
            aPlaces[copy] = (product * aBatchStride) + (row * aStride) + chunk;
        }

        var wPlaces = new int[wCopies];
        for (int copy = 0; copy < wCopies; copy++)
        {
            int row = IntrinsicMath.Min(firstColumn + copyRow + (copy * RowsAtOnce), (4 * columnVectors) - 1);
            wPlaces[copy] = (product * wBatchStride) + (row * wStride) + chunk;
        }

        int lane = Group.IdxX % 32;
        int warp = Group.IdxX / 32;
        int warpRow = warp % TTile.WarpRows * 16 * TTile.RowTiles;
        int warpColumn = warp / TTile.WarpRows * 16 * TTile.ColumnPairs;
        var rows = new uint[SwizzledTile.StepCount];
        var columns = new uint[SwizzledTile.StepCount];
        for (int step = 0; step < SwizzledTile.StepCount; step++)
        {
            rows[step] = shared + (uint)((warpRow * SwizzledTile.RowBytes) + SwizzledTile.RowFragment(lane, step));
            columns[step] = shared + (uint)(((TileRows + warpColumn) * SwizzledTile.RowBytes)
                + SwizzledTile.ColumnFragment(lane, step));
        }

        var sums = new Float4[2 * TTile.RowTiles * TTile.ColumnPairs];
        sums.Clear(TTile.RowTiles, TTile.ColumnPairs);

        for (int stage = 0; stage < TTile.StageCount - 1; stage++)
        {
            int next = stage * SwizzledTile.RowChunks;
            StartSlice(copyTo + (uint)(stage * StageBytes), a.SubView(next), aPlaces, w.SubView(next), wPlaces,
                innerVectors - next - chunk);
        }

        uint write = (uint)((TTile.StageCount - 1) * StageBytes);
        uint read = 0;
        for (int first = 0; first < innerVectors; first += SwizzledTile.RowChunks)
        {
            AsyncCopy.Wait(TTile.StageCount - 2);
            Group.Barrier();
            int next = first + ((TTile.StageCount - 1) * SwizzledTile.RowChunks);
            StartSlice(copyTo + write, a.SubView(next), aPlaces, w.SubView(next), wPlaces,
                innerVectors - next - chunk);
            for (int step = 0; step < SwizzledTile.StepCount; step++)
                sums.AddProduct<TElement>(TTile.RowTiles, TTile.ColumnPairs, rows[step] + read, columns[step] + read);
            write = read;
            read = read == (uint)((TTile.StageCount - 1) * StageBytes) ? 0 : read + (uint)StageBytes;
        }

        int firstGroup = ((firstColumn + warpColumn) / 4) + (lane % 4);
        var addends = new Float4[TTile.ColumnPairs];
        for (int pair = 0; pair < TTile.ColumnPairs; pair++)
        {
            addends[pair] = bias[(product * biasBatchStride)
                + IntrinsicMath.Min(firstGroup + (4 * pair), columnVectors - 1)];
        }

        // What is read of the table goes before what is stored: a tile's rows while those of the one before are stored.
        var starts = new int[2 * TTile.RowTiles];
        var tableRows = new Float4[2 * TTile.ColumnPairs];
        if (TEpilogue.IsScaled)
        {
            for (int half = 0; half < 2 * TTile.RowTiles; half++)
            {
                int row = firstRow + warpRow + (8 * half) + (lane / 4);
                starts[half] = 0;
                if (tableVectors > 0)
                    starts[half] = tableStarts[IntrinsicMath.Min(row, rowCount - 1)];
            }

            float scale = RowSquares.ScaleOf(squares, units, IntrinsicMath.Min(firstRow + Group.IdxX, rowCount - 1),
                squareStride, Group.IdxX < TileRows ? squareCount : 0, width, rootEpsilon);
            LoadRows(tableRows, table, starts[0], starts[1], firstGroup, tableVectors);
            // The copies past the end of A and W still write zeros.
            AsyncCopy.Wait(0);
            Group.Barrier();
            if (Group.IdxX < TileRows)
                SharedMemoryAccess.Store(shared + (uint)(sizeof(float) * Group.IdxX), 0, scale);
            Group.Barrier();
        }

        float largest = IntrinsicMath.Min(limit, TOutput.Limit);
        int lowest = rowCount;
        for (int tile = 0; tile < TTile.RowTiles; tile++)
        {
            int rowInTile = warpRow + (16 * tile) + (lane / 4);
            int row = firstRow + rowInTile;
            var values = new Float4[2 * TTile.ColumnPairs];
            if (TEpilogue.IsScaled)
            {
                uint scales = shared + (uint)(sizeof(float) * rowInTile);
                float upperScale = SharedMemoryAccess.LoadFloat(scales, 0);
                float lowerScale = SharedMemoryAccess.LoadFloat(scales, 8 * sizeof(float));
                for (int pair = 0; pair < TTile.ColumnPairs; pair++)
                {
                    values[2 * pair] = addends[pair]
                        .PlusProduct(upperScale, sums.Upper(TTile.ColumnPairs, tile, pair)).Plus(tableRows[2 * pair]);
                    values[(2 * pair) + 1] = addends[pair]
                        .PlusProduct(lowerScale, sums.Lower(TTile.ColumnPairs, tile, pair))
                        .Plus(tableRows[(2 * pair) + 1]);
                }

                int next = IntrinsicMath.Min(tile + 1, TTile.RowTiles - 1);
                LoadRows(tableRows, table, starts[2 * next], starts[(2 * next) + 1], firstGroup, tableVectors);
            }
            else
            {
                for (int pair = 0; pair < TTile.ColumnPairs; pair++)
                {
                    values[2 * pair] = sums.Upper(TTile.ColumnPairs, tile, pair).Plus(addends[pair]);
                    values[(2 * pair) + 1] = sums.Lower(TTile.ColumnPairs, tile, pair).Plus(addends[pair]);
                }
            }

            float upperSquares = 0;
            float lowerSquares = 0;
            for (int pair = 0; pair < TTile.ColumnPairs; pair++)
            {
                int group = firstGroup + (4 * pair);
                Float4 upper = values[2 * pair];
                Float4 lower = values[(2 * pair) + 1];
                int place = (product * cBatchStride) + (row * cRowStride) + (group * cColumnStride);
                bool isNoted = Store(c, place, group < columnVectors & row < rowCount, upper, largest);
                lowest = IntrinsicMath.Min(lowest, isNoted ? row : rowCount);
                isNoted = Store(c, place + (8 * cRowStride), group < columnVectors & row + 8 < rowCount, lower, largest);
                lowest = IntrinsicMath.Min(lowest, isNoted ? row + 8 : rowCount);
                if (TEpilogue.StoresSquares)
                {
                    // Columns past the last one repeat it.
                    upperSquares = group < columnVectors ? VectorOperations.Dot(upper, upper, upperSquares)
                        : upperSquares;
                    lowerSquares = group < columnVectors ? VectorOperations.Dot(lower, lower, lowerSquares)
                        : lowerSquares;
                    if (pair % 2 == 1)
                    {
                        int part = group / RowSquares.Vectors;
                        RowSquares.Store(squares, (part * squareStride) + row,
                            part * RowSquares.Vectors < columnVectors ? rowCount - row : 0, upperSquares,
                            lowerSquares);
                        upperSquares = 0;
                        lowerSquares = 0;
                    }
                }
            }
        }

        if (lowest < rowCount)
            OverflowNote.Add(note, firstNoted + lowest);
    }

    /// <summary>Stores four neighbours if they are part of C.</summary>
    /// <returns>Whether they are and one is NaN.</returns>
    private static bool Store(ArrayView<UInt2> c, int group, bool isPart, Float4 sum, float limit)
    {
        Float4 value = new Float4(TEpilogue.Apply(sum.X), TEpilogue.Apply(sum.Y), TEpilogue.Apply(sum.Z),
            TEpilogue.Apply(sum.W)).Inside(limit);
        if (isPart)
            TOutput.Store(c, group, value);
        return isPart & value.HasNaN();
    }

    /// <summary>Loads this lane's groups of two rows of the table; zeros past its last column.</summary>
    private static void LoadRows(Float4[] rows, ArrayView<Float4> table, int upperStart, int lowerStart,
        int firstGroup, int tableVectors)
    {
        for (int pair = 0; pair < TTile.ColumnPairs; pair++)
        {
            int group = firstGroup + (4 * pair);
            rows[2 * pair] = default;
            rows[(2 * pair) + 1] = default;
            if (group < tableVectors)
            {
                rows[2 * pair] = table[upperStart + group];
                rows[(2 * pair) + 1] = table[lowerStart + group];
            }
        }
    }

    /// <summary>Starts to copy this thread's chunks of a slice of A and W.</summary>
    /// <param name="to">Where its first chunk goes.</param>
    /// <param name="a">A from the slice on.</param>
    /// <param name="aPlaces">The chunks' places in it.</param>
    /// <param name="w">W from the slice on.</param>
    /// <param name="wPlaces">The chunks' places in it.</param>
    /// <param name="remaining">Chunks from this thread's to the end of a row; 0 or less where there is none.</param>
    private static void StartSlice(uint to, ArrayView<UInt4> a, int[] aPlaces, ArrayView<UInt4> w, int[] wPlaces,
        int remaining)
    {
        // All bits of the sign or none, so that the assembler sees that there is no third case to provide for.
        int bytes = (-remaining >> 31) & SwizzledTile.ChunkBytes;
        for (int copy = 0; copy < TileRows / RowsAtOnce; copy++)
            AsyncCopy.StartOrZero(to, copy * RowsAtOnce * SwizzledTile.RowBytes, ref a[aPlaces[copy]], bytes);
        for (int copy = 0; copy < TileColumns / RowsAtOnce; copy++)
        {
            AsyncCopy.StartOrZero(to, (TileRows + (copy * RowsAtOnce)) * SwizzledTile.RowBytes, ref w[wPlaces[copy]],
                bytes);
        }

        AsyncCopy.Commit();
    }
}
