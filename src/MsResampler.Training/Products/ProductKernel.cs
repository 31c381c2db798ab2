using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using MsResampler.Cpu;
using MsResampler.Cpu.Simd;

namespace MsResampler.Training.Products;

/// <summary>One panel of columns of a <see cref="MatrixProduct"/> for a range of rows.</summary>
/// <remarks>The inner dimension is cut into blocks. A block of the panel is copied, or transposed, to memory of the
/// thread, where it stays in the second-level cache for all rows. C holds the sums between the blocks. The blocks
/// depend only on the inner dimension, so an element has the same bits with any ranges of rows.</remarks>
[SkipLocalsInit]
internal static unsafe class ProductKernel<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
{
    /// <summary>Steps of the largest block: 64 columns of it take a quarter of a second-level cache of 1 MiB.</summary>
    private const int MaxBlockSteps = 1024;

    /// <summary>Steps of a block of a product with a transposed A, whose steps read another row of memory
    /// each.</summary>
    private const int TransposedBlockSteps = 256;

    /// <summary>Rows of C in a task of a product with a transposed A, whose block of A is packed: it and a block of a
    /// panel take less than half of a second-level cache of 1 MiB. A multiple of all heights of tiles.</summary>
    public const int MaxPackedRows = 264;

    /// <summary>Rows by which packing reads ahead: the processor does not prefetch short parts of distant
    /// rows.</summary>
    private const int PrefetchRows = 8;

    /// <summary>Rows between two checks for cancellation: a multiple of all heights of tiles. A part takes at most a
    /// few milliseconds.</summary>
    private const int PartRows = 24 * 128;

    /// <summary>Rows of a step of a packed tile: 256 bits, of which the rows of the next tile are not used.</summary>
    private const int SlotRows = 8;

    /// <summary>Rows of the tile of a whole panel.</summary>
    private const int MinTileRows = 6;

    /// <summary>Panels of the largest task of a product with a transposed A. Packing A takes about a tenth of the time
    /// of one panel.</summary>
    public const int MaxPackedPanels = 16;

    /// <summary>Floats of scratch memory that a thread needs.</summary>
    public static int ScratchCount => Math.Max(MaxBlockSteps * MicroKernel<TSimd, TVector>.PanelWidth,
        TransposedBlockSteps * ((MaxPackedRows / MinTileRows * SlotRows) + MicroKernel<TSimd, TVector>.PanelWidth));

    /// <summary>The number of panels of a product.</summary>
    public static int PanelCount(in MatrixProduct product)
        => (product.ColumnCount + MicroKernel<TSimd, TVector>.PanelWidth - 1)
            / MicroKernel<TSimd, TVector>.PanelWidth;

    /// <summary>Whether the inner dimension is one block, so that the scratch memory holds the panel
    /// afterwards.</summary>
    public static bool IsOneBlock(in MatrixProduct product) => product.InnerCount <= BlockSteps(product);

    /// <summary>Computes a part of a product.</summary>
    /// <param name="product">The product.</param>
    /// <param name="panel">The panel.</param>
    /// <param name="firstRow">The first row of C.</param>
    /// <param name="rowCount">The number of rows, at least 1.</param>
    /// <param name="scratch"><see cref="ScratchCount"/> floats.</param>
    /// <param name="isHeld">Whether <paramref name="scratch"/> already holds the panel.</param>
    /// <param name="cancellationToken">Cancels the call within a second.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(in MatrixProduct product, int panel, int firstRow, int rowCount, float* scratch, bool isHeld,
        CancellationToken cancellationToken)
    {
        int firstColumn = panel * MicroKernel<TSimd, TVector>.PanelWidth;
        int columns = Math.Min(product.ColumnCount - firstColumn, MicroKernel<TSimd, TVector>.PanelWidth);
        int width = MicroKernel<TSimd, TVector>.TileWidth(columns);
        float* start = stackalloc float[width];
        new Span<float>(start, width).Clear();
        if (product.Bias != 0)
            Copy((float*)product.Bias + firstColumn, start, columns);
        float* a = (float*)product.A + (firstRow * product.AStride);
        float* c = (float*)product.C + (firstRow * product.CStride) + firstColumn;
        bool adds = product.Adds;
        int blockSteps = BlockSteps(product);
        for (int step = 0; step < product.InnerCount; step += blockSteps, adds = true)
        {
            int steps = Math.Min(blockSteps, product.InnerCount - step);
            if (!isHeld)
                Pack(product, step, steps, firstColumn, columns, width, scratch);
            for (int row = 0; row < rowCount; row += PartRows)
            {
                cancellationToken.ThrowIfCancellationRequested();
                float* target = c + (row * product.CStride);
                Gemm<TSimd, TVector>.Multiply(a + (row * product.AStride) + (step * product.AStep), product.AStride,
                    Math.Min(PartRows, rowCount - row), steps, scratch, width, width, columns, adds ? target : start,
                    adds ? product.CStride : 0, target, product.CStride, aStep: product.AStep);
            }
        }
    }

    /// <summary>Computes a part of a product with a transposed A. A block of A is packed once for several panels, in
    /// the order in which the tiles read it. In place, every step of a tile reads a line of another page: that is
    /// faster for a single panel, and takes 10 to 20 % longer for 16.</summary>
    /// <param name="product">The product.</param>
    /// <param name="firstPanel">The first panel.</param>
    /// <param name="endPanel">The panel after the last one.</param>
    /// <param name="firstRow">The first row of C.</param>
    /// <param name="rowCount">The number of rows, 1 to <see cref="MaxPackedRows"/>.</param>
    /// <param name="scratch"><see cref="ScratchCount"/> floats.</param>
    /// <param name="cancellationToken">Cancels the call within a second.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void RunPacked(in MatrixProduct product, int firstPanel, int endPanel, int firstRow, int rowCount,
        float* scratch, CancellationToken cancellationToken)
    {
        int panelWidth = MicroKernel<TSimd, TVector>.PanelWidth;
        int tileRows = MicroKernel<TSimd, TVector>.RowCount(panelWidth);
        float* a = (float*)product.A + firstRow;
        float* packed = scratch + (TransposedBlockSteps * panelWidth);
        for (int step = 0; step < product.InnerCount; step += TransposedBlockSteps)
        {
            cancellationToken.ThrowIfCancellationRequested();
            int steps = Math.Min(TransposedBlockSteps, product.InnerCount - step);
            PackRows(a + (step * product.AStep), product.AStep, steps, rowCount, tileRows, packed);
            for (int panel = firstPanel; panel < endPanel; panel++)
            {
                int firstColumn = panel * panelWidth;
                int columns = Math.Min(product.ColumnCount - firstColumn, panelWidth);
                int width = MicroKernel<TSimd, TVector>.TileWidth(columns);
                float* c = (float*)product.C + (firstRow * product.CStride) + firstColumn;
                Pack(product, step, steps, firstColumn, columns, width, scratch);
                if (width == panelWidth)
                    MultiplyPacked(packed, steps, rowCount, scratch, columns, c, product.CStride);
                else
                    Gemm<TSimd, TVector>.Multiply(a + (step * product.AStep), product.AStride, rowCount, steps, scratch,
                        width, width, columns, c, product.CStride, c, product.CStride, aStep: product.AStep);
            }
        }
    }

    /// <summary>Packs a block of a transposed A: for each tile, its rows step by step, in slots of
    /// <see cref="SlotRows"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PackRows(float* a, nint aStep, int steps, int rowCount, int tileRows, float* packed)
    {
        for (int step = 0; step < steps; step++, a += aStep, packed += SlotRows)
        {
            for (int line = 0; line < rowCount; line += MicroKernel<TSimd, TVector>.LineFloats)
                TSimd.Prefetch(a + (PrefetchRows * aStep) + line);
            float* slot = packed;
            int row = 0;
            for (; row + SlotRows <= rowCount; row += tileRows, slot += steps * SlotRows)
                Vector256.Store(Vector256.Load(a + row), slot);
            for (; row < rowCount; row += tileRows, slot += steps * SlotRows)
                for (int r = 0; r < tileRows; r++)
                    slot[r] = a[Math.Min(row + r, rowCount - 1)];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void MultiplyPacked(float* packed, int steps, int rowCount, float* panel, int columns, float* c,
        nint cStride)
    {
        int width = MicroKernel<TSimd, TVector>.PanelWidth;
        int tileRows = MicroKernel<TSimd, TVector>.RowCount(width);
        float** rows = stackalloc float*[MicroKernel<TSimd, TVector>.MaxRowCount];
        float* edge = stackalloc float[tileRows * width];
        for (int row = 0; row < rowCount; row += tileRows, packed += steps * SlotRows)
        {
            int count = Math.Min(tileRows, rowCount - row);
            for (int r = 0; r < tileRows; r++)
                rows[r] = packed + r;
            float* target = c + (row * cStride);
            if (count == tileRows && columns == width)
            {
                MicroKernel<TSimd, TVector>.Tile(width, rows, SlotRows, steps, panel, width, target, cStride, target,
                    cStride);
                continue;
            }

            new Span<float>(edge, tileRows * width).Clear();
            for (int r = 0; r < count; r++)
                Copy(target + (r * cStride), edge + (r * width), columns);
            MicroKernel<TSimd, TVector>.Tile(width, rows, SlotRows, steps, panel, width, edge, width, edge, width);
            for (int r = 0; r < count; r++)
                Copy(edge + (r * width), target + (r * cStride), columns);
        }
    }

    private static int BlockSteps(in MatrixProduct product)
        => product.AStep == 1 ? MaxBlockSteps : TransposedBlockSteps;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Pack(in MatrixProduct product, int step, int steps, int firstColumn, int columns, int width,
        float* scratch)
    {
        // The lanes after the last column are computed and not stored. Zeros avoid slow denormals.
        if (columns < width)
            new Span<float>(scratch, steps * width).Clear();
        if (product.IsTransposed)
        {
            Transposition.Run((float*)product.B + (firstColumn * product.BStride) + step, product.BStride, columns,
                steps, scratch, width);
            return;
        }

        float* source = (float*)product.B + (step * product.BStride) + firstColumn;
        if (columns < width)
        {
            for (int row = 0; row < steps; row++)
                Copy(source + (row * product.BStride), scratch + ((nint)row * width), columns);
            return;
        }

        for (int row = 0; row < steps; row++, source += product.BStride)
        {
            for (int column = 0; column < width; column += MicroKernel<TSimd, TVector>.LineFloats)
                TSimd.Prefetch(source + (PrefetchRows * product.BStride) + column);
            for (int column = 0; column < width; column += TSimd.Width, scratch += TSimd.Width)
                TSimd.Store(scratch, TSimd.Load(source + column));
        }
    }

    private static void Copy(float* source, float* destination, int count)
        => new ReadOnlySpan<float>(source, count).CopyTo(new Span<float>(destination, count));
}
