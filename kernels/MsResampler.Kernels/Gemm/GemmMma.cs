using ILGPU;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Gemm;

/// <summary>C = epilogue(A·Wᵀ·scale + bias + table) on tensor cores, accumulated in float32: any number of products
/// of one size in one launch; from sm_80 on. Only a <see cref="ScaledEpilogue"/> has a scale for each row and a
/// table.</summary>
/// <remarks>
/// <para>A block computes one tile of C from slices of A and W that are 64 bytes wide. Slices are copied
/// asynchronously to a ring of stages in shared memory (<see cref="SwizzledTile"/>): one slice is multiplied while
/// the next ones are copied, with one barrier per slice. Copies beyond the last column of A and W read no bytes and
/// write zeros. Rows beyond the last one repeat it and are never stored: reading nothing there would cost two
/// instructions for each copy, in every tile.</para>
/// <para>An element is the sum of the products of 32 bytes of its row and column at a time, in ascending order, each
/// added by one instruction, whatever the shape and position of the tile. The same row therefore has the same bits
/// in any batch. For the same reason the sum is never split between blocks.</para>
/// <para>A layer normalisation between two products needs no launch: the first product stores the sums of squares of
/// its rows (<see cref="RowSquares"/>), whose mean is 0, and the second one multiplies each row of its result by
/// 1/√(squares/width + ε), where ε is in the unit of the row's features.</para>
/// <para>An overflow becomes NaN, so that no later step can make it finite again. The last product reports the
/// lowest row with a NaN (<see cref="OverflowNote"/>).</para>
/// <para>Grid: x = tiles of C, in bands of <see cref="BandRows"/> tiles along the rows, so that concurrent blocks
/// share data in the second-level cache; y = products. Block: <see cref="BlockSize"/> threads. Shared memory:
/// stages·64·(rows + columns) bytes, 48 KiB for 128 × 128.</para>
/// </remarks>
/// <typeparam name="TTile">The shape of the tile.</typeparam>
/// <typeparam name="TElement">The type of A and W.</typeparam>
/// <typeparam name="TEpilogue">The final operation on each element.</typeparam>
/// <typeparam name="TOutput">The type of C.</typeparam>
internal static class GemmMma<TTile, TElement, TEpilogue, TOutput>
    where TTile : struct, IGemmMmaTile
    where TElement : struct, IMmaElement
    where TEpilogue : struct, IGemmMmaEpilogue
    where TOutput : struct, IGemmMmaOutput
{
    /// <summary>Tiles along the rows of a band: together with as many tiles along the columns, 64 tiles read the
    /// rows and columns of 16.</summary>
    public const int BandRows = 8;

    /// <summary>Threads of a block.</summary>
    public static int BlockSize => 32 * TTile.WarpRows * TTile.WarpColumns;

    /// <summary>Rows of C in a tile.</summary>
    public static int TileRows => 16 * TTile.WarpRows * TTile.RowTiles;

    /// <summary>Columns of C in a tile.</summary>
    public static int TileColumns => 16 * TTile.WarpColumns * TTile.ColumnPairs;

    private static int RowsAtOnce => BlockSize / SwizzledTile.RowChunks;

    private static int StageBytes => (TileRows + TileColumns) * SwizzledTile.RowBytes;

    /// <summary>Computes products. A quad is four neighbouring elements, a vector 16 bytes.</summary>
    /// <param name="a">A, [rows, inner] in vectors. The elements that fill up the last vector of a row are zero, here
    /// and in W.</param>
    /// <param name="w">W, [columns, inner] in vectors; its elements have the precision of the instruction.</param>
    /// <param name="bias">The bias of each product, [columns] in quads.</param>
    /// <param name="c">Receives C, [rows, columns].</param>
    /// <param name="squares">Sums of squares (<see cref="RowSquares"/>): a <see cref="SquaresEpilogue"/> stores those
    /// of C before rounding, a <see cref="ScaledEpilogue"/> reads those of A. All products have the same.</param>
    /// <param name="units">The factor that each row was multiplied by before its normalisation; read if there are
    /// squares.</param>
    /// <param name="table">Rows that a <see cref="ScaledEpilogue"/> adds to rows of C, the same for all
    /// products.</param>
    /// <param name="tableStarts">For each row of C, the first quad of its row of the table.</param>
    /// <param name="note">The <see cref="OverflowNote"/> of the lowest row with a NaN; empty if it is not
    /// wanted.</param>
    /// <param name="layout">Extents and strides.</param>
    /// <param name="scaling">Extents of squares and table.</param>
    public static void Run(ArrayView<UInt4> a, ArrayView<UInt4> w, ArrayView<Float4> bias, ArrayView<UInt2> c,
        ArrayView<float> squares, ArrayView<float> units, ArrayView<Float4> table, ArrayView<int> tableStarts,
        ArrayView<int> note, GemmLayout layout, GemmScaling scaling)
    {
        uint shared = SwizzledTile.Allocate(TTile.StageCount * StageBytes);
        int product = Grid.IdxY;
        int columnTiles = ((4 * layout.ColumnQuads) + TileColumns - 1) / TileColumns;
        int band = Grid.IdxX / (BandRows * columnTiles);
        int inBand = Grid.IdxX % (BandRows * columnTiles);
        int bandRows = IntrinsicMath.Min(((layout.RowCount + TileRows - 1) / TileRows) - (band * BandRows), BandRows);
        int firstRow = ((band * BandRows) + (inBand % bandRows)) * TileRows;
        int firstColumn = inBand / bandRows * TileColumns;

        // Four threads copy a row of a slice.
        int aCopies = TileRows / RowsAtOnce;
        int wCopies = TileColumns / RowsAtOnce;
        int chunk = Group.IdxX % SwizzledTile.RowChunks;
        int copyRow = Group.IdxX / SwizzledTile.RowChunks;
        int firstChunk = IntrinsicMath.Min(chunk, layout.InnerVectors - 1);
        int last = layout.InnerVectors - 1 - firstChunk;
        uint copyTo = shared + (uint)SwizzledTile.Offset(copyRow, chunk);
        var aStarts = new int[aCopies];
        for (int copy = 0; copy < aCopies; copy++)
        {
            int row = IntrinsicMath.Min(firstRow + copyRow + (copy * RowsAtOnce), layout.RowCount - 1);
            aStarts[copy] = (product * layout.ABatchStride) + (row * layout.AStride) + firstChunk;
        }

        var wStarts = new int[wCopies];
        for (int copy = 0; copy < wCopies; copy++)
        {
            int row = IntrinsicMath.Min(firstColumn + copyRow + (copy * RowsAtOnce), (4 * layout.ColumnQuads) - 1);
            wStarts[copy] = (product * layout.WBatchStride) + (row * layout.WStride) + firstChunk;
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
            int position = IntrinsicMath.Min(next, last);
            StartSlice(copyTo + (uint)(stage * StageBytes), a.SubView(position), aStarts, w.SubView(position), wStarts,
                layout.InnerVectors - next - chunk);
        }

        uint write = (uint)((TTile.StageCount - 1) * StageBytes);
        uint read = 0;
        for (int first = 0; first < layout.InnerVectors; first += SwizzledTile.RowChunks)
        {
            AsyncCopy.Wait(TTile.StageCount - 2);
            Group.Barrier();
            int next = first + ((TTile.StageCount - 1) * SwizzledTile.RowChunks);
            int position = IntrinsicMath.Min(next, last);
            // A thread without a chunk in the first slice has none here either, as its last is 0.
            StartSlice(copyTo + write, a.SubView(position), aStarts, w.SubView(position), wStarts, last + 1 - next);
            for (int step = 0; step < SwizzledTile.StepCount; step++)
                sums.AddProduct<TElement>(TTile.RowTiles, TTile.ColumnPairs, rows[step] + read, columns[step] + read);
            write = read;
            read = read == (uint)((TTile.StageCount - 1) * StageBytes) ? 0 : read + (uint)StageBytes;
        }

        // The copies beyond the end of A and W still write zeros. No thread may end before its copies.
        AsyncCopy.Wait(0);

        int firstQuad = ((firstColumn + warpColumn) / 4) + (lane % 4);
        var addends = new Float4[TTile.ColumnPairs];
        for (int pair = 0; pair < TTile.ColumnPairs; pair++)
        {
            addends[pair] = bias[(product * layout.BiasBatchStride)
                + IntrinsicMath.Min(firstQuad + (4 * pair), layout.ColumnQuads - 1)];
        }

        // The rows of the table for a tile are loaded while those before them are stored.
        var starts = new int[2 * TTile.RowTiles];
        var tableRows = new Float4[2 * TTile.ColumnPairs];
        if (TEpilogue.IsScaled)
        {
            for (int half = 0; half < 2 * TTile.RowTiles; half++)
            {
                int row = firstRow + warpRow + (8 * half) + (lane / 4);
                starts[half] = 0;
                if (scaling.TableQuads > 0)
                    starts[half] = tableStarts[IntrinsicMath.Min(row, layout.RowCount - 1)];
            }

            float scale = RowSquares.ScaleOf(squares, units,
                IntrinsicMath.Min(firstRow + Group.IdxX, layout.RowCount - 1), scaling.SquareStride,
                Group.IdxX < TileRows ? scaling.SquareCount : 0, scaling.Width, scaling.RootEpsilon);
            LoadRows(tableRows, table, starts[0], starts[1], firstQuad, scaling.TableQuads);
            Group.Barrier();
            if (Group.IdxX < TileRows)
                SharedMemoryAccess.Store(shared + (uint)(sizeof(float) * Group.IdxX), 0, scale);
            Group.Barrier();
        }

        float largest = IntrinsicMath.Min(layout.Limit, TOutput.Limit);
        int lowest = layout.RowCount;
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
                LoadRows(tableRows, table, starts[2 * next], starts[(2 * next) + 1], firstQuad, scaling.TableQuads);
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
                int quad = firstQuad + (4 * pair);
                Float4 upper = values[2 * pair];
                Float4 lower = values[(2 * pair) + 1];
                int place = (product * layout.CBatchStride) + (row * layout.CRowStride)
                    + (quad * layout.CColumnStride);
                bool isColumn = quad < layout.ColumnQuads;
                bool isNoted = Store(c, place, isColumn & row < layout.RowCount, upper, largest);
                lowest = IntrinsicMath.Min(lowest, isNoted ? row : layout.RowCount);
                isNoted = Store(c, place + (8 * layout.CRowStride), isColumn & row + 8 < layout.RowCount, lower,
                    largest);
                lowest = IntrinsicMath.Min(lowest, isNoted ? row + 8 : layout.RowCount);
                if (TEpilogue.StoresSquares)
                {
                    // Columns beyond the last one repeat it.
                    upperSquares = quad < layout.ColumnQuads ? VectorOperations.Dot(upper, upper, upperSquares)
                        : upperSquares;
                    lowerSquares = quad < layout.ColumnQuads ? VectorOperations.Dot(lower, lower, lowerSquares)
                        : lowerSquares;
                    if (pair % 2 == 1)
                    {
                        int part = quad / RowSquares.ColumnQuads;
                        RowSquares.Store(squares, (part * scaling.SquareStride) + row,
                            part * RowSquares.ColumnQuads < layout.ColumnQuads ? layout.RowCount - row : 0,
                            upperSquares, lowerSquares);
                        upperSquares = 0;
                        lowerSquares = 0;
                    }
                }
            }
        }

        if (lowest < layout.RowCount)
            OverflowNote.Add(note, layout.FirstNoted + lowest);
    }

    /// <summary>Stores a quad if it is part of C.</summary>
    /// <returns>Whether it is part of C and has a NaN.</returns>
    private static bool Store(ArrayView<UInt2> c, int quad, bool isPart, Float4 sum, float limit)
    {
        Float4 value = new Float4(TEpilogue.Apply(sum.X), TEpilogue.Apply(sum.Y), TEpilogue.Apply(sum.Z),
            TEpilogue.Apply(sum.W)).Inside(limit);
        if (isPart)
            TOutput.Store(c, quad, value);
        return isPart & value.HasNaN();
    }

    /// <summary>Loads this lane's quads of two rows of the table; zeros beyond its last column.</summary>
    private static void LoadRows(Float4[] rows, ArrayView<Float4> table, int upperStart, int lowerStart,
        int firstQuad, int tableQuads)
    {
        for (int pair = 0; pair < TTile.ColumnPairs; pair++)
        {
            int quad = firstQuad + (4 * pair);
            rows[2 * pair] = default;
            rows[(2 * pair) + 1] = default;
            if (quad < tableQuads)
            {
                rows[2 * pair] = table[upperStart + quad];
                rows[(2 * pair) + 1] = table[lowerStart + quad];
            }
        }
    }

    /// <summary>Starts to copy this thread's chunks of a slice of A and W.</summary>
    /// <param name="to">The address that the first chunk is copied to.</param>
    /// <param name="a">A from the slice on; where nothing remains, from the last chunk of a row on, so that the address
    /// is inside A.</param>
    /// <param name="aStarts">The positions of the chunks in A.</param>
    /// <param name="w">W, likewise.</param>
    /// <param name="wStarts">The positions of the chunks in W.</param>
    /// <param name="remaining">Chunks from this thread's to the end of a row; 0 or less if there is none.</param>
    private static void StartSlice(uint to, ArrayView<UInt4> a, int[] aStarts, ArrayView<UInt4> w, int[] wStarts,
        int remaining)
    {
        // A sign mask is 0 or all ones, so the assembler sees that the size is 0 or 16 and needs no other case.
        int bytes = (-remaining >> 31) & SwizzledTile.ChunkBytes;
        for (int copy = 0; copy < TileRows / RowsAtOnce; copy++)
            AsyncCopy.StartOrZero(to, copy * RowsAtOnce * SwizzledTile.RowBytes, ref a[aStarts[copy]], bytes);
        for (int copy = 0; copy < TileColumns / RowsAtOnce; copy++)
        {
            AsyncCopy.StartOrZero(to, (TileRows + (copy * RowsAtOnce)) * SwizzledTile.RowBytes, ref w[wStarts[copy]],
                bytes);
        }

        AsyncCopy.Commit();
    }
}
