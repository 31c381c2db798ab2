using System.Runtime.CompilerServices;
using MsResampler.Cpu;
using MsResampler.Cpu.Simd;

namespace MsResampler.Training.Attention;

/// <summary>Products of small matrices in scratch memory, <c>C = A·B</c> or <c>C += A·B</c>.</summary>
/// <remarks>Each element is one chain of multiply-adds in the order of the inner dimension, whichever tile computes
/// it.</remarks>
[SkipLocalsInit]
internal static unsafe class BlockProduct<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
{
    /// <summary>Computes a product.</summary>
    /// <param name="a">The first element of A.</param>
    /// <param name="aRow">Floats from one row of A to the next.</param>
    /// <param name="aStep">Floats from one column of A to the next: 1 for a row-major A, the row length for a
    /// transposed one.</param>
    /// <param name="rowCount">Rows of A and C, at least 1.</param>
    /// <param name="steps">The inner dimension.</param>
    /// <param name="b">B, [<paramref name="steps"/>, <paramref name="columns"/>].</param>
    /// <param name="bStride">Floats between rows of B.</param>
    /// <param name="columns">Columns of B and C, whole vectors.</param>
    /// <param name="c">C.</param>
    /// <param name="cStride">Floats between rows of C.</param>
    /// <param name="isSum">Whether the product is added to C.</param>
    public static void Run(float* a, nint aRow, nint aStep, int rowCount, int steps, float* b, nint bStride,
        int columns, float* c, nint cStride, bool isSum)
    {
        float** rows = stackalloc float*[MicroKernel<TSimd, TVector>.MaxRowCount];
        float* zeros = stackalloc float[MicroKernel<TSimd, TVector>.PanelWidth];
        float* edge = stackalloc float[MicroKernel<TSimd, TVector>.MaxRowCount
            * MicroKernel<TSimd, TVector>.PanelWidth];
        new Span<float>(zeros, MicroKernel<TSimd, TVector>.PanelWidth).Clear();
        int widest = WidthOf(rowCount);
        for (int column = 0, width; column < columns; column += width)
        {
            width = Math.Min(columns - column, widest);
            int tileRows = MicroKernel<TSimd, TVector>.RowCount(width);
            for (int row = 0; row < rowCount; row += tileRows)
            {
                int count = Math.Min(tileRows, rowCount - row);
                for (int r = 0; r < tileRows; r++)
                    rows[r] = a + ((row + Math.Min(r, count - 1)) * aRow);
                float* target = c + (row * cStride) + column;
                if (count == tileRows)
                {
                    MicroKernel<TSimd, TVector>.Tile(width, rows, aStep, steps, b + column, bStride,
                        isSum ? target : zeros, isSum ? cStride : 0, target, cStride);
                    continue;
                }

                // A partial tile is computed as a whole one, with its last row repeated, and its valid part is copied.
                if (isSum)
                    Copy(target, cStride, edge, width, count, width);
                MicroKernel<TSimd, TVector>.Tile(width, rows, aStep, steps, b + column, bStride,
                    isSum ? edge : zeros, isSum ? width : 0, edge, width);
                Copy(edge, width, target, cStride, count, width);
            }
        }
    }

    /// <summary>Columns of a tile: 4 vectors, or 2 where that leaves fewer rows of the last tile unused.</summary>
    private static int WidthOf(int rowCount)
    {
        int panelWidth = MicroKernel<TSimd, TVector>.PanelWidth;
        return TSimd.PanelVectors == 4 && Padded(panelWidth / 2) < Padded(panelWidth) ? panelWidth / 2 : panelWidth;

        int Padded(int width)
        {
            int rows = MicroKernel<TSimd, TVector>.RowCount(width);
            return (rowCount + rows - 1) / rows * rows;
        }
    }

    private static void Copy(float* source, nint sourceStride, float* target, nint targetStride, int rowCount,
        int columns)
    {
        for (int row = 0; row < rowCount; row++, source += sourceStride, target += targetStride)
            for (int column = 0; column < columns; column += TSimd.Width)
                TSimd.Store(target + column, TSimd.Load(source + column));
    }
}
