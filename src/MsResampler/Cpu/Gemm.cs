using System.Runtime.CompilerServices;
using MsResampler.Cpu.Simd;

namespace MsResampler.Cpu;

/// <summary>One panel of <c>C = A·B + bias</c> for a range of rows.</summary>
/// <remarks>The panel (at most 64 columns, its whole inner dimension) stays in the second-level cache while the rows
/// of A pass over it, a tile at a time from the first-level cache; nothing is packed on the left and C is written once.
/// </remarks>
[SkipLocalsInit]
internal static unsafe class Gemm<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <param name="a">A, [<paramref name="rowCount"/>, inner].</param>
    /// <param name="aStride">Floats from one row of A to the next.</param>
    /// <param name="rowCount">Rows to compute, at least 1.</param>
    /// <param name="b">B with its bias.</param>
    /// <param name="panel">The panel of B.</param>
    /// <param name="c">The first row of C at its column 0.</param>
    /// <param name="cStride">Floats from one row of C to the next.</param>
    /// <param name="next">A panel to fetch into the cache meanwhile, or null.</param>
    public static void Panel(float* a, nint aStride, int rowCount, PackedMatrix b, int panel, float* c, nint cStride,
        float* next = null)
    {
        int width = b.WidthOf(panel);
        Multiply(a, aStride, rowCount, b.InnerCount, b.Panel(panel), width, width, b.ColumnsOf(panel), b.Bias(panel), 0,
            c + ((nint)panel * MicroKernel<TSimd, TVector>.PanelWidth), cStride, next);
    }

    /// <summary>The same with C stored head by head, so that attention reads each head's rows one after another.
    /// </summary>
    /// <param name="a">A, [<paramref name="rowCount"/>, inner].</param>
    /// <param name="aStride">Floats from one row of A to the next.</param>
    /// <param name="rowCount">Rows to compute, at least 1.</param>
    /// <param name="b">B with its bias.</param>
    /// <param name="panel">The panel of B.</param>
    /// <param name="c">The first row of head 0.</param>
    /// <param name="heads">How C is stored.</param>
    /// <param name="next">A panel to fetch into the cache meanwhile, or null.</param>
    public static void PanelToHeads(float* a, nint aStride, int rowCount, PackedMatrix b, int panel, float* c,
        HeadLayout heads, float* next = null)
    {
        (int headSize, int cStride, nint headStride) = heads;
        int width = b.WidthOf(panel);
        int columns = b.ColumnsOf(panel);
        int firstColumn = panel * MicroKernel<TSimd, TVector>.PanelWidth;
        if ((firstColumn % headSize) + columns <= headSize)
        {
            Multiply(a, aStride, rowCount, b.InnerCount, b.Panel(panel), width, width, columns, b.Bias(panel), 0,
                c + (firstColumn / headSize * headStride) + (firstColumn % headSize), cStride, next);
            return;
        }

        int tileRows = MicroKernel<TSimd, TVector>.RowCount(width);
        float* tile = stackalloc float[tileRows * width];
        for (int row = 0; row < rowCount; row += tileRows)
        {
            int count = Math.Min(tileRows, rowCount - row);
            Multiply(a + (row * aStride), aStride, count, b.InnerCount, b.Panel(panel), width, width, columns,
                b.Bias(panel), 0, tile, width, next);
            next = Following(next, row / tileRows, b.InnerCount, width);
            for (int column = 0; column < columns;)
            {
                int channel = (firstColumn + column) % headSize;
                int length = Math.Min(columns - column, headSize - channel);
                float* target = c + ((firstColumn + column) / headSize * headStride) + (row * (nint)cStride) + channel;
                for (int r = 0; r < count; r++)
                    Copy(tile + (r * width) + column, target + (r * (nint)cStride), length);
                column += length;
            }
        }
    }

    /// <summary>The product of row-major rows with one panel, which starts from <paramref name="init"/>.</summary>
    /// <param name="a">A, [<paramref name="rowCount"/>, <paramref name="steps"/>].</param>
    /// <param name="aStride">Floats from one row of A to the next.</param>
    /// <param name="rowCount">Rows to compute, at least 1.</param>
    /// <param name="steps">The inner dimension.</param>
    /// <param name="panel">The panel, [<paramref name="steps"/>, <paramref name="width"/>].</param>
    /// <param name="panelStep">Floats from one row of the panel to the next.</param>
    /// <param name="width">The tile's width.</param>
    /// <param name="columns">How many of the tile's columns are wanted.</param>
    /// <param name="init">What the sums start from.</param>
    /// <param name="initStride">Floats between its rows; 0 repeats one row, such as a bias.</param>
    /// <param name="c">The result at the panel's first column.</param>
    /// <param name="cStride">Floats from one row of C to the next.</param>
    /// <param name="next">A panel to fetch into the cache meanwhile, or null.</param>
    public static void Multiply(float* a, nint aStride, int rowCount, int steps, float* panel, nint panelStep,
        int width, int columns, float* init, nint initStride, float* c, nint cStride, float* next = null)
    {
        int tileRows = MicroKernel<TSimd, TVector>.RowCount(width);
        float** rows = stackalloc float*[MicroKernel<TSimd, TVector>.MaxRowCount];
        float* edge = stackalloc float[tileRows * width];
        for (int row = 0; row < rowCount; row += tileRows)
        {
            int count = Math.Min(tileRows, rowCount - row);
            float* first = a + (row * aStride);
            for (int r = 0; r < tileRows; r++)
                rows[r] = first + (Math.Min(r, count - 1) * aStride);
            float* target = c + (row * cStride);
            float* start = init + (row * initStride);
            if (count == tileRows && columns == width)
            {
                MicroKernel<TSimd, TVector>.Tile(width, rows, 1, steps, panel, panelStep, start, initStride, target,
                    cStride, next);
                next = Following(next, row / tileRows, steps, width);
                continue;
            }

            // A partial tile is computed whole, in place of the missing rows repeats of the last, and copied out.
            if (initStride != 0)
            {
                for (int r = 0; r < count; r++)
                    Copy(start + (r * initStride), edge + (r * width), columns);
                MicroKernel<TSimd, TVector>.Tile(width, rows, 1, steps, panel, panelStep, edge, width, edge, width);
            }
            else
            {
                MicroKernel<TSimd, TVector>.Tile(width, rows, 1, steps, panel, panelStep, start, 0, edge, width);
            }

            for (int r = 0; r < count; r++)
                Copy(edge + (r * width), target + (r * cStride), columns);
        }
    }

    /// <summary>What the tile after <paramref name="tile"/> fetches ahead: the next lines of the panel to come, until
    /// all of them were.</summary>
    private static float* Following(float* next, int tile, int steps, int width)
        => next != null && tile + 1 < width / MicroKernel<TSimd, TVector>.LineFloats
            ? next + (steps * MicroKernel<TSimd, TVector>.LineFloats) : null;

    private static void Copy(float* source, float* destination, int count)
        => new ReadOnlySpan<float>(source, count).CopyTo(new Span<float>(destination, count));
}
