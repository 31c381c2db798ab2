using System.Runtime.CompilerServices;
using MsResampler.Cpu.Simd;

namespace MsResampler.Cpu;

/// <summary>One panel of <c>C = A·B + bias</c> for a range of rows.</summary>
/// <remarks>The panel (at most 64 columns of the whole inner dimension) stays in the second-level cache while
/// the rows of A are processed a tile at a time from the first-level cache. A is not packed, and C is written
/// once.</remarks>
[SkipLocalsInit]
internal static unsafe class Gemm<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
{
    /// <summary>Computes one panel of C.</summary>
    /// <param name="a">A, [<paramref name="rowCount"/>, inner].</param>
    /// <param name="aStride">Floats between rows of A.</param>
    /// <param name="rowCount">The number of rows, at least 1.</param>
    /// <param name="b">B with its bias.</param>
    /// <param name="panel">The panel of B.</param>
    /// <param name="c">Row 0 of C at column 0.</param>
    /// <param name="cStride">Floats between rows of C.</param>
    /// <param name="next">A panel to prefetch.</param>
    /// <param name="values">The panel in float32; null if B is in float32.</param>
    public static void Panel(float* a, nint aStride, int rowCount, PackedMatrix b, int panel, float* c, nint cStride,
        PanelMemory next = default, float* values = null)
    {
        int width = b.WidthOf(panel);
        if (values == null)
            values = b.Panel(panel);
        Multiply(a, aStride, rowCount, b.InnerCount, values, width, width, b.ColumnsOf(panel), b.Bias(panel), 0,
            c + ((nint)panel * MicroKernel<TSimd, TVector>.PanelWidth), cStride, next);
    }

    /// <summary>Computes one panel of C and stores it head by head, so that attention reads the rows of a head
    /// sequentially.</summary>
    /// <param name="a">A, [<paramref name="rowCount"/>, inner].</param>
    /// <param name="aStride">Floats between rows of A.</param>
    /// <param name="rowCount">The number of rows, at least 1.</param>
    /// <param name="b">B with its bias.</param>
    /// <param name="panel">The panel of B.</param>
    /// <param name="c">Row 0 of head 0.</param>
    /// <param name="heads">The layout of C.</param>
    /// <param name="next">A panel to prefetch.</param>
    /// <param name="values">The panel in float32; null if B is in float32.</param>
    public static void PanelToHeads(float* a, nint aStride, int rowCount, PackedMatrix b, int panel, float* c,
        HeadLayout heads, PanelMemory next = default, float* values = null)
    {
        if (values == null)
            values = b.Panel(panel);
        (int headSize, int cStride, nint headStride) = heads;
        int width = b.WidthOf(panel);
        int columns = b.ColumnsOf(panel);
        int firstColumn = panel * MicroKernel<TSimd, TVector>.PanelWidth;
        if ((firstColumn % headSize) + columns <= headSize)
        {
            Multiply(a, aStride, rowCount, b.InnerCount, values, width, width, columns, b.Bias(panel), 0,
                c + (firstColumn / headSize * headStride) + (firstColumn % headSize), cStride, next);
            return;
        }

        int tileRows = MicroKernel<TSimd, TVector>.RowCount(width);
        float* tile = stackalloc float[tileRows * width];
        for (int row = 0; row < rowCount; row += tileRows)
        {
            int count = Math.Min(tileRows, rowCount - row);
            Multiply(a + (row * aStride), aStride, count, b.InnerCount, values, width, width, columns,
                b.Bias(panel), 0, tile, width, next);
            next = next.After(b.InnerCount);
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

    /// <summary>Computes <c>C = init + A·B</c> for one panel B.</summary>
    /// <param name="a">A, [<paramref name="rowCount"/>, <paramref name="steps"/>].</param>
    /// <param name="aStride">Floats between rows of A.</param>
    /// <param name="rowCount">The number of rows, at least 1.</param>
    /// <param name="steps">The inner dimension.</param>
    /// <param name="panel">B, [<paramref name="steps"/>, <paramref name="width"/>].</param>
    /// <param name="panelStep">Floats between rows of B.</param>
    /// <param name="width">The width of a tile.</param>
    /// <param name="columns">The number of columns to write, at most <paramref name="width"/>.</param>
    /// <param name="init">The initial values of the sums.</param>
    /// <param name="initStride">Floats between rows of <paramref name="init"/>; 0 repeats one row, such as a
    /// bias.</param>
    /// <param name="c">C at the first column of the panel.</param>
    /// <param name="cStride">Floats between rows of C.</param>
    /// <param name="next">A panel to prefetch.</param>
    /// <param name="aStep">Floats between the elements of a row of A.</param>
    public static void Multiply(float* a, nint aStride, int rowCount, int steps, float* panel, nint panelStep,
        int width, int columns, float* init, nint initStride, float* c, nint cStride, PanelMemory next = default,
        nint aStep = 1)
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
                MicroKernel<TSimd, TVector>.Tile(width, rows, aStep, steps, panel, panelStep, start, initStride, target,
                    cStride, next.Start);
                next = next.After(steps);
                continue;
            }

            // A partial tile is computed as a whole one, with its last row repeated, and its valid part is copied.
            if (initStride != 0)
            {
                // Lanes after the last column are computed and not stored. Zeros avoid slow denormals.
                new Span<float>(edge, tileRows * width).Clear();
                for (int r = 0; r < count; r++)
                    Copy(start + (r * initStride), edge + (r * width), columns);
                MicroKernel<TSimd, TVector>.Tile(width, rows, aStep, steps, panel, panelStep, edge, width, edge, width);
            }
            else
            {
                MicroKernel<TSimd, TVector>.Tile(width, rows, aStep, steps, panel, panelStep, start, 0, edge, width);
            }

            for (int r = 0; r < count; r++)
                Copy(edge + (r * width), target + (r * cStride), columns);
        }
    }

    private static void Copy(float* source, float* destination, int count)
        => new ReadOnlySpan<float>(source, count).CopyTo(new Span<float>(destination, count));
}
