using System.Runtime.CompilerServices;
using MsResampler.Cpu.Simd;

namespace MsResampler.Cpu;

/// <summary>The register tile under every matrix product here: <c>C = init + A·B</c> for a few rows and one, two or
/// four vectors of columns, with the sums held in registers from the first step to the last.</summary>
/// <remarks>
/// <para>Each element is one chain of multiply-adds in the order of the steps, whatever tile it falls in, so results
/// do not depend on how rows are grouped, on the batch or on threads.</para>
/// <para>The rows of A are pointers that advance together, by a constant step or by a list of offsets: a row-major
/// matrix has a step of 1, a transposed one a step of its row length. Rows may lie anywhere, which is how the patches
/// of a window are read in place. <c>init</c> is a bias (<c>initStride</c> 0) or C itself, to accumulate.</para>
/// <para>Six rows by four vectors are 24 sums, 4 vectors of B and a broadcast: 29 of 32 registers. A single vector
/// takes eight rows, as many sums as cover the latency of a multiply-add on two ports. Two vectors take eight rows where
/// 32 registers hold their 16 sums, and six where there are 16 registers. The inner loops are written out because the
/// compiler keeps only scalars in registers, not arrays.</para>
/// </remarks>
internal static unsafe class MicroKernel<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>Rows of the tallest tile.</summary>
    public const int MaxRowCount = 8;

    /// <summary>Floats in a cache line: what a step of the widest tile fetches ahead.</summary>
    public const int LineFloats = 16;

    /// <summary>A number of rows that every tile height divides.</summary>
    public const int RowMultiple = 24;

    /// <summary>Columns of the widest tile.</summary>
    public static int PanelWidth => TSimd.PanelVectors * TSimd.Width;

    /// <summary>Columns of the narrowest tile (1, 2 or 4 vectors) that holds <paramref name="columnCount"/>, which is
    /// at most <see cref="PanelWidth"/>.</summary>
    public static int TileWidth(int columnCount) => columnCount <= TSimd.Width ? TSimd.Width
        : columnCount <= 2 * TSimd.Width ? 2 * TSimd.Width : 4 * TSimd.Width;

    /// <summary>Rows of a tile of <paramref name="width"/> columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int RowCount(int width)
        => width == TSimd.Width || (TSimd.PanelVectors == 4 && width == 2 * TSimd.Width) ? MaxRowCount : 6;

    /// <summary>Computes one tile.</summary>
    /// <param name="width">1, 2 or 4 vectors of columns, in floats; at most <see cref="PanelWidth"/>.</param>
    /// <param name="rows"><see cref="RowCount"/> pointers to the first element of each row of A.</param>
    /// <param name="rowStep">Floats from one element of a row to the next.</param>
    /// <param name="steps">The length of the inner dimension.</param>
    /// <param name="b">B, <paramref name="steps"/> rows of <paramref name="width"/> floats.</param>
    /// <param name="bStep">Floats from one row of B to the next.</param>
    /// <param name="init">What the sums start from.</param>
    /// <param name="initStride">Floats between rows of <paramref name="init"/>; 0 repeats one row.</param>
    /// <param name="c">The result, rows of <paramref name="width"/> floats.</param>
    /// <param name="cStride">Floats between rows of <paramref name="c"/>.</param>
    /// <param name="next">What is read next: the widest tile fetches one of its lines per step; or null.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Tile(int width, float** rows, nint rowStep, int steps, float* b, nint bStep, float* init,
        nint initStride, float* c, nint cStride, float* next = null)
    {
        if (TSimd.PanelVectors == 4 && width == 4 * TSimd.Width)
            Tile4(rows, rowStep, steps, b, bStep, init, initStride, c, cStride, next == null ? b : next);
        else if (TSimd.PanelVectors == 4 && width == 2 * TSimd.Width)
            Tile2Tall(rows, rowStep, steps, b, bStep, init, initStride, c, cStride);
        else if (width == 2 * TSimd.Width)
            Tile2(rows, rowStep, steps, b, bStep, init, initStride, c, cStride);
        else
            Tile1(rows, rowStep, steps, b, bStep, init, initStride, c, cStride);
    }

    /// <summary>Computes one tile whose steps lie anywhere: step k reads element <c>offsets[2k]</c> of every row of A
    /// and the row of B at <c>offsets[2k+1]</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Gather(int width, float** rows, float* b, int* offsets, int steps, float* init, nint initStride,
        float* c, nint cStride)
    {
        if (TSimd.PanelVectors == 4 && width == 4 * TSimd.Width)
            Gather4(rows, b, offsets, steps, init, initStride, c, cStride);
        else if (TSimd.PanelVectors == 4 && width == 2 * TSimd.Width)
            Gather2Tall(rows, b, offsets, steps, init, initStride, c, cStride);
        else if (width == 2 * TSimd.Width)
            Gather2(rows, b, offsets, steps, init, initStride, c, cStride);
        else
            Gather1(rows, b, offsets, steps, init, initStride, c, cStride);
    }

    /// <summary>The same for a single row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void GatherRow(int width, float* row, float* b, int* offsets, int steps, float* init, float* c)
    {
        if (TSimd.PanelVectors == 4 && width == 4 * TSimd.Width)
            Row4(row, b, offsets, steps, init, c);
        else if (width == 2 * TSimd.Width)
            Row2(row, b, offsets, steps, init, c);
        else
            Row1(row, b, offsets, steps, init, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile4(float** rows, nint rowStep, int steps, float* b, nint bStep, float* init,
        nint initStride, float* c, nint cStride, float* next)
    {
        float* a0 = rows[0], a1 = rows[1], a2 = rows[2], a3 = rows[3], a4 = rows[4], a5 = rows[5];
        TVector c00 = TSimd.Load(init), c01 = TSimd.Load(init + TSimd.Width),
            c02 = TSimd.Load(init + (2 * TSimd.Width)), c03 = TSimd.Load(init + (3 * TSimd.Width));
        init += initStride;
        TVector c10 = TSimd.Load(init), c11 = TSimd.Load(init + TSimd.Width),
            c12 = TSimd.Load(init + (2 * TSimd.Width)), c13 = TSimd.Load(init + (3 * TSimd.Width));
        init += initStride;
        TVector c20 = TSimd.Load(init), c21 = TSimd.Load(init + TSimd.Width),
            c22 = TSimd.Load(init + (2 * TSimd.Width)), c23 = TSimd.Load(init + (3 * TSimd.Width));
        init += initStride;
        TVector c30 = TSimd.Load(init), c31 = TSimd.Load(init + TSimd.Width),
            c32 = TSimd.Load(init + (2 * TSimd.Width)), c33 = TSimd.Load(init + (3 * TSimd.Width));
        init += initStride;
        TVector c40 = TSimd.Load(init), c41 = TSimd.Load(init + TSimd.Width),
            c42 = TSimd.Load(init + (2 * TSimd.Width)), c43 = TSimd.Load(init + (3 * TSimd.Width));
        init += initStride;
        TVector c50 = TSimd.Load(init), c51 = TSimd.Load(init + TSimd.Width),
            c52 = TSimd.Load(init + (2 * TSimd.Width)), c53 = TSimd.Load(init + (3 * TSimd.Width));
        for (nint k = 0; steps > 0; steps--)
        {
            TVector b0 = TSimd.Load(b), b1 = TSimd.Load(b + TSimd.Width),
                b2 = TSimd.Load(b + (2 * TSimd.Width)), b3 = TSimd.Load(b + (3 * TSimd.Width));
            TVector x = TSimd.Broadcast(a0 + k);
            c00 = TSimd.MultiplyAdd(x, b0, c00);
            c01 = TSimd.MultiplyAdd(x, b1, c01);
            c02 = TSimd.MultiplyAdd(x, b2, c02);
            c03 = TSimd.MultiplyAdd(x, b3, c03);
            x = TSimd.Broadcast(a1 + k);
            c10 = TSimd.MultiplyAdd(x, b0, c10);
            c11 = TSimd.MultiplyAdd(x, b1, c11);
            c12 = TSimd.MultiplyAdd(x, b2, c12);
            c13 = TSimd.MultiplyAdd(x, b3, c13);
            x = TSimd.Broadcast(a2 + k);
            c20 = TSimd.MultiplyAdd(x, b0, c20);
            c21 = TSimd.MultiplyAdd(x, b1, c21);
            c22 = TSimd.MultiplyAdd(x, b2, c22);
            c23 = TSimd.MultiplyAdd(x, b3, c23);
            x = TSimd.Broadcast(a3 + k);
            c30 = TSimd.MultiplyAdd(x, b0, c30);
            c31 = TSimd.MultiplyAdd(x, b1, c31);
            c32 = TSimd.MultiplyAdd(x, b2, c32);
            c33 = TSimd.MultiplyAdd(x, b3, c33);
            x = TSimd.Broadcast(a4 + k);
            c40 = TSimd.MultiplyAdd(x, b0, c40);
            c41 = TSimd.MultiplyAdd(x, b1, c41);
            c42 = TSimd.MultiplyAdd(x, b2, c42);
            c43 = TSimd.MultiplyAdd(x, b3, c43);
            x = TSimd.Broadcast(a5 + k);
            c50 = TSimd.MultiplyAdd(x, b0, c50);
            c51 = TSimd.MultiplyAdd(x, b1, c51);
            c52 = TSimd.MultiplyAdd(x, b2, c52);
            c53 = TSimd.MultiplyAdd(x, b3, c53);
            TSimd.Prefetch(next);
            next += LineFloats;
            k += rowStep;
            b += bStep;
        }

        TSimd.Store(c, c00);
        TSimd.Store(c + TSimd.Width, c01);
        TSimd.Store(c + (2 * TSimd.Width), c02);
        TSimd.Store(c + (3 * TSimd.Width), c03);
        c += cStride;
        TSimd.Store(c, c10);
        TSimd.Store(c + TSimd.Width, c11);
        TSimd.Store(c + (2 * TSimd.Width), c12);
        TSimd.Store(c + (3 * TSimd.Width), c13);
        c += cStride;
        TSimd.Store(c, c20);
        TSimd.Store(c + TSimd.Width, c21);
        TSimd.Store(c + (2 * TSimd.Width), c22);
        TSimd.Store(c + (3 * TSimd.Width), c23);
        c += cStride;
        TSimd.Store(c, c30);
        TSimd.Store(c + TSimd.Width, c31);
        TSimd.Store(c + (2 * TSimd.Width), c32);
        TSimd.Store(c + (3 * TSimd.Width), c33);
        c += cStride;
        TSimd.Store(c, c40);
        TSimd.Store(c + TSimd.Width, c41);
        TSimd.Store(c + (2 * TSimd.Width), c42);
        TSimd.Store(c + (3 * TSimd.Width), c43);
        c += cStride;
        TSimd.Store(c, c50);
        TSimd.Store(c + TSimd.Width, c51);
        TSimd.Store(c + (2 * TSimd.Width), c52);
        TSimd.Store(c + (3 * TSimd.Width), c53);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile2(float** rows, nint rowStep, int steps, float* b, nint bStep, float* init,
        nint initStride, float* c, nint cStride)
    {
        float* a0 = rows[0], a1 = rows[1], a2 = rows[2], a3 = rows[3], a4 = rows[4], a5 = rows[5];
        TVector c00 = TSimd.Load(init), c01 = TSimd.Load(init + TSimd.Width);
        init += initStride;
        TVector c10 = TSimd.Load(init), c11 = TSimd.Load(init + TSimd.Width);
        init += initStride;
        TVector c20 = TSimd.Load(init), c21 = TSimd.Load(init + TSimd.Width);
        init += initStride;
        TVector c30 = TSimd.Load(init), c31 = TSimd.Load(init + TSimd.Width);
        init += initStride;
        TVector c40 = TSimd.Load(init), c41 = TSimd.Load(init + TSimd.Width);
        init += initStride;
        TVector c50 = TSimd.Load(init), c51 = TSimd.Load(init + TSimd.Width);
        for (nint k = 0; steps > 0; steps--)
        {
            TVector b0 = TSimd.Load(b), b1 = TSimd.Load(b + TSimd.Width);
            TVector x = TSimd.Broadcast(a0 + k);
            c00 = TSimd.MultiplyAdd(x, b0, c00);
            c01 = TSimd.MultiplyAdd(x, b1, c01);
            x = TSimd.Broadcast(a1 + k);
            c10 = TSimd.MultiplyAdd(x, b0, c10);
            c11 = TSimd.MultiplyAdd(x, b1, c11);
            x = TSimd.Broadcast(a2 + k);
            c20 = TSimd.MultiplyAdd(x, b0, c20);
            c21 = TSimd.MultiplyAdd(x, b1, c21);
            x = TSimd.Broadcast(a3 + k);
            c30 = TSimd.MultiplyAdd(x, b0, c30);
            c31 = TSimd.MultiplyAdd(x, b1, c31);
            x = TSimd.Broadcast(a4 + k);
            c40 = TSimd.MultiplyAdd(x, b0, c40);
            c41 = TSimd.MultiplyAdd(x, b1, c41);
            x = TSimd.Broadcast(a5 + k);
            c50 = TSimd.MultiplyAdd(x, b0, c50);
            c51 = TSimd.MultiplyAdd(x, b1, c51);
            k += rowStep;
            b += bStep;
        }

        TSimd.Store(c, c00);
        TSimd.Store(c + TSimd.Width, c01);
        c += cStride;
        TSimd.Store(c, c10);
        TSimd.Store(c + TSimd.Width, c11);
        c += cStride;
        TSimd.Store(c, c20);
        TSimd.Store(c + TSimd.Width, c21);
        c += cStride;
        TSimd.Store(c, c30);
        TSimd.Store(c + TSimd.Width, c31);
        c += cStride;
        TSimd.Store(c, c40);
        TSimd.Store(c + TSimd.Width, c41);
        c += cStride;
        TSimd.Store(c, c50);
        TSimd.Store(c + TSimd.Width, c51);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile2Tall(float** rows, nint rowStep, int steps, float* b, nint bStep, float* init,
        nint initStride, float* c, nint cStride)
    {
        float* a0 = rows[0], a1 = rows[1], a2 = rows[2], a3 = rows[3];
        float* a4 = rows[4], a5 = rows[5], a6 = rows[6], a7 = rows[7];
        TVector c00 = TSimd.Load(init), c01 = TSimd.Load(init + TSimd.Width);
        init += initStride;
        TVector c10 = TSimd.Load(init), c11 = TSimd.Load(init + TSimd.Width);
        init += initStride;
        TVector c20 = TSimd.Load(init), c21 = TSimd.Load(init + TSimd.Width);
        init += initStride;
        TVector c30 = TSimd.Load(init), c31 = TSimd.Load(init + TSimd.Width);
        init += initStride;
        TVector c40 = TSimd.Load(init), c41 = TSimd.Load(init + TSimd.Width);
        init += initStride;
        TVector c50 = TSimd.Load(init), c51 = TSimd.Load(init + TSimd.Width);
        init += initStride;
        TVector c60 = TSimd.Load(init), c61 = TSimd.Load(init + TSimd.Width);
        init += initStride;
        TVector c70 = TSimd.Load(init), c71 = TSimd.Load(init + TSimd.Width);
        for (nint k = 0; steps > 0; steps--)
        {
            TVector b0 = TSimd.Load(b), b1 = TSimd.Load(b + TSimd.Width);
            TVector x = TSimd.Broadcast(a0 + k);
            c00 = TSimd.MultiplyAdd(x, b0, c00);
            c01 = TSimd.MultiplyAdd(x, b1, c01);
            x = TSimd.Broadcast(a1 + k);
            c10 = TSimd.MultiplyAdd(x, b0, c10);
            c11 = TSimd.MultiplyAdd(x, b1, c11);
            x = TSimd.Broadcast(a2 + k);
            c20 = TSimd.MultiplyAdd(x, b0, c20);
            c21 = TSimd.MultiplyAdd(x, b1, c21);
            x = TSimd.Broadcast(a3 + k);
            c30 = TSimd.MultiplyAdd(x, b0, c30);
            c31 = TSimd.MultiplyAdd(x, b1, c31);
            x = TSimd.Broadcast(a4 + k);
            c40 = TSimd.MultiplyAdd(x, b0, c40);
            c41 = TSimd.MultiplyAdd(x, b1, c41);
            x = TSimd.Broadcast(a5 + k);
            c50 = TSimd.MultiplyAdd(x, b0, c50);
            c51 = TSimd.MultiplyAdd(x, b1, c51);
            x = TSimd.Broadcast(a6 + k);
            c60 = TSimd.MultiplyAdd(x, b0, c60);
            c61 = TSimd.MultiplyAdd(x, b1, c61);
            x = TSimd.Broadcast(a7 + k);
            c70 = TSimd.MultiplyAdd(x, b0, c70);
            c71 = TSimd.MultiplyAdd(x, b1, c71);
            k += rowStep;
            b += bStep;
        }

        TSimd.Store(c, c00);
        TSimd.Store(c + TSimd.Width, c01);
        c += cStride;
        TSimd.Store(c, c10);
        TSimd.Store(c + TSimd.Width, c11);
        c += cStride;
        TSimd.Store(c, c20);
        TSimd.Store(c + TSimd.Width, c21);
        c += cStride;
        TSimd.Store(c, c30);
        TSimd.Store(c + TSimd.Width, c31);
        c += cStride;
        TSimd.Store(c, c40);
        TSimd.Store(c + TSimd.Width, c41);
        c += cStride;
        TSimd.Store(c, c50);
        TSimd.Store(c + TSimd.Width, c51);
        c += cStride;
        TSimd.Store(c, c60);
        TSimd.Store(c + TSimd.Width, c61);
        c += cStride;
        TSimd.Store(c, c70);
        TSimd.Store(c + TSimd.Width, c71);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile1(float** rows, nint rowStep, int steps, float* b, nint bStep, float* init,
        nint initStride, float* c, nint cStride)
    {
        float* a0 = rows[0], a1 = rows[1], a2 = rows[2], a3 = rows[3];
        float* a4 = rows[4], a5 = rows[5], a6 = rows[6], a7 = rows[7];
        TVector c00 = TSimd.Load(init);
        init += initStride;
        TVector c10 = TSimd.Load(init);
        init += initStride;
        TVector c20 = TSimd.Load(init);
        init += initStride;
        TVector c30 = TSimd.Load(init);
        init += initStride;
        TVector c40 = TSimd.Load(init);
        init += initStride;
        TVector c50 = TSimd.Load(init);
        init += initStride;
        TVector c60 = TSimd.Load(init);
        init += initStride;
        TVector c70 = TSimd.Load(init);
        for (nint k = 0; steps > 0; steps--)
        {
            TVector b0 = TSimd.Load(b);
            TVector x = TSimd.Broadcast(a0 + k);
            c00 = TSimd.MultiplyAdd(x, b0, c00);
            x = TSimd.Broadcast(a1 + k);
            c10 = TSimd.MultiplyAdd(x, b0, c10);
            x = TSimd.Broadcast(a2 + k);
            c20 = TSimd.MultiplyAdd(x, b0, c20);
            x = TSimd.Broadcast(a3 + k);
            c30 = TSimd.MultiplyAdd(x, b0, c30);
            x = TSimd.Broadcast(a4 + k);
            c40 = TSimd.MultiplyAdd(x, b0, c40);
            x = TSimd.Broadcast(a5 + k);
            c50 = TSimd.MultiplyAdd(x, b0, c50);
            x = TSimd.Broadcast(a6 + k);
            c60 = TSimd.MultiplyAdd(x, b0, c60);
            x = TSimd.Broadcast(a7 + k);
            c70 = TSimd.MultiplyAdd(x, b0, c70);
            k += rowStep;
            b += bStep;
        }

        TSimd.Store(c, c00);
        c += cStride;
        TSimd.Store(c, c10);
        c += cStride;
        TSimd.Store(c, c20);
        c += cStride;
        TSimd.Store(c, c30);
        c += cStride;
        TSimd.Store(c, c40);
        c += cStride;
        TSimd.Store(c, c50);
        c += cStride;
        TSimd.Store(c, c60);
        c += cStride;
        TSimd.Store(c, c70);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Gather4(float** rows, float* b, int* offsets, int steps, float* init, nint initStride,
        float* c, nint cStride)
    {
        float* a0 = rows[0], a1 = rows[1], a2 = rows[2], a3 = rows[3], a4 = rows[4], a5 = rows[5];
        TVector c00 = TSimd.Load(init), c01 = TSimd.Load(init + TSimd.Width),
            c02 = TSimd.Load(init + (2 * TSimd.Width)), c03 = TSimd.Load(init + (3 * TSimd.Width));
        init += initStride;
        TVector c10 = TSimd.Load(init), c11 = TSimd.Load(init + TSimd.Width),
            c12 = TSimd.Load(init + (2 * TSimd.Width)), c13 = TSimd.Load(init + (3 * TSimd.Width));
        init += initStride;
        TVector c20 = TSimd.Load(init), c21 = TSimd.Load(init + TSimd.Width),
            c22 = TSimd.Load(init + (2 * TSimd.Width)), c23 = TSimd.Load(init + (3 * TSimd.Width));
        init += initStride;
        TVector c30 = TSimd.Load(init), c31 = TSimd.Load(init + TSimd.Width),
            c32 = TSimd.Load(init + (2 * TSimd.Width)), c33 = TSimd.Load(init + (3 * TSimd.Width));
        init += initStride;
        TVector c40 = TSimd.Load(init), c41 = TSimd.Load(init + TSimd.Width),
            c42 = TSimd.Load(init + (2 * TSimd.Width)), c43 = TSimd.Load(init + (3 * TSimd.Width));
        init += initStride;
        TVector c50 = TSimd.Load(init), c51 = TSimd.Load(init + TSimd.Width),
            c52 = TSimd.Load(init + (2 * TSimd.Width)), c53 = TSimd.Load(init + (3 * TSimd.Width));
        for (; steps > 0; steps--, offsets += 2)
        {
            nint k = offsets[0];
            float* row = b + offsets[1];
            TVector b0 = TSimd.Load(row), b1 = TSimd.Load(row + TSimd.Width),
                b2 = TSimd.Load(row + (2 * TSimd.Width)), b3 = TSimd.Load(row + (3 * TSimd.Width));
            TVector x = TSimd.Broadcast(a0 + k);
            c00 = TSimd.MultiplyAdd(x, b0, c00);
            c01 = TSimd.MultiplyAdd(x, b1, c01);
            c02 = TSimd.MultiplyAdd(x, b2, c02);
            c03 = TSimd.MultiplyAdd(x, b3, c03);
            x = TSimd.Broadcast(a1 + k);
            c10 = TSimd.MultiplyAdd(x, b0, c10);
            c11 = TSimd.MultiplyAdd(x, b1, c11);
            c12 = TSimd.MultiplyAdd(x, b2, c12);
            c13 = TSimd.MultiplyAdd(x, b3, c13);
            x = TSimd.Broadcast(a2 + k);
            c20 = TSimd.MultiplyAdd(x, b0, c20);
            c21 = TSimd.MultiplyAdd(x, b1, c21);
            c22 = TSimd.MultiplyAdd(x, b2, c22);
            c23 = TSimd.MultiplyAdd(x, b3, c23);
            x = TSimd.Broadcast(a3 + k);
            c30 = TSimd.MultiplyAdd(x, b0, c30);
            c31 = TSimd.MultiplyAdd(x, b1, c31);
            c32 = TSimd.MultiplyAdd(x, b2, c32);
            c33 = TSimd.MultiplyAdd(x, b3, c33);
            x = TSimd.Broadcast(a4 + k);
            c40 = TSimd.MultiplyAdd(x, b0, c40);
            c41 = TSimd.MultiplyAdd(x, b1, c41);
            c42 = TSimd.MultiplyAdd(x, b2, c42);
            c43 = TSimd.MultiplyAdd(x, b3, c43);
            x = TSimd.Broadcast(a5 + k);
            c50 = TSimd.MultiplyAdd(x, b0, c50);
            c51 = TSimd.MultiplyAdd(x, b1, c51);
            c52 = TSimd.MultiplyAdd(x, b2, c52);
            c53 = TSimd.MultiplyAdd(x, b3, c53);
        }

        TSimd.Store(c, c00);
        TSimd.Store(c + TSimd.Width, c01);
        TSimd.Store(c + (2 * TSimd.Width), c02);
        TSimd.Store(c + (3 * TSimd.Width), c03);
        c += cStride;
        TSimd.Store(c, c10);
        TSimd.Store(c + TSimd.Width, c11);
        TSimd.Store(c + (2 * TSimd.Width), c12);
        TSimd.Store(c + (3 * TSimd.Width), c13);
        c += cStride;
        TSimd.Store(c, c20);
        TSimd.Store(c + TSimd.Width, c21);
        TSimd.Store(c + (2 * TSimd.Width), c22);
        TSimd.Store(c + (3 * TSimd.Width), c23);
        c += cStride;
        TSimd.Store(c, c30);
        TSimd.Store(c + TSimd.Width, c31);
        TSimd.Store(c + (2 * TSimd.Width), c32);
        TSimd.Store(c + (3 * TSimd.Width), c33);
        c += cStride;
        TSimd.Store(c, c40);
        TSimd.Store(c + TSimd.Width, c41);
        TSimd.Store(c + (2 * TSimd.Width), c42);
        TSimd.Store(c + (3 * TSimd.Width), c43);
        c += cStride;
        TSimd.Store(c, c50);
        TSimd.Store(c + TSimd.Width, c51);
        TSimd.Store(c + (2 * TSimd.Width), c52);
        TSimd.Store(c + (3 * TSimd.Width), c53);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Gather2(float** rows, float* b, int* offsets, int steps, float* init, nint initStride,
        float* c, nint cStride)
    {
        float* a0 = rows[0], a1 = rows[1], a2 = rows[2], a3 = rows[3], a4 = rows[4], a5 = rows[5];
        TVector c00 = TSimd.Load(init), c01 = TSimd.Load(init + TSimd.Width);
        init += initStride;
        TVector c10 = TSimd.Load(init), c11 = TSimd.Load(init + TSimd.Width);
        init += initStride;
        TVector c20 = TSimd.Load(init), c21 = TSimd.Load(init + TSimd.Width);
        init += initStride;
        TVector c30 = TSimd.Load(init), c31 = TSimd.Load(init + TSimd.Width);
        init += initStride;
        TVector c40 = TSimd.Load(init), c41 = TSimd.Load(init + TSimd.Width);
        init += initStride;
        TVector c50 = TSimd.Load(init), c51 = TSimd.Load(init + TSimd.Width);
        for (; steps > 0; steps--, offsets += 2)
        {
            nint k = offsets[0];
            float* row = b + offsets[1];
            TVector b0 = TSimd.Load(row), b1 = TSimd.Load(row + TSimd.Width);
            TVector x = TSimd.Broadcast(a0 + k);
            c00 = TSimd.MultiplyAdd(x, b0, c00);
            c01 = TSimd.MultiplyAdd(x, b1, c01);
            x = TSimd.Broadcast(a1 + k);
            c10 = TSimd.MultiplyAdd(x, b0, c10);
            c11 = TSimd.MultiplyAdd(x, b1, c11);
            x = TSimd.Broadcast(a2 + k);
            c20 = TSimd.MultiplyAdd(x, b0, c20);
            c21 = TSimd.MultiplyAdd(x, b1, c21);
            x = TSimd.Broadcast(a3 + k);
            c30 = TSimd.MultiplyAdd(x, b0, c30);
            c31 = TSimd.MultiplyAdd(x, b1, c31);
            x = TSimd.Broadcast(a4 + k);
            c40 = TSimd.MultiplyAdd(x, b0, c40);
            c41 = TSimd.MultiplyAdd(x, b1, c41);
            x = TSimd.Broadcast(a5 + k);
            c50 = TSimd.MultiplyAdd(x, b0, c50);
            c51 = TSimd.MultiplyAdd(x, b1, c51);
        }

        TSimd.Store(c, c00);
        TSimd.Store(c + TSimd.Width, c01);
        c += cStride;
        TSimd.Store(c, c10);
        TSimd.Store(c + TSimd.Width, c11);
        c += cStride;
        TSimd.Store(c, c20);
        TSimd.Store(c + TSimd.Width, c21);
        c += cStride;
        TSimd.Store(c, c30);
        TSimd.Store(c + TSimd.Width, c31);
        c += cStride;
        TSimd.Store(c, c40);
        TSimd.Store(c + TSimd.Width, c41);
        c += cStride;
        TSimd.Store(c, c50);
        TSimd.Store(c + TSimd.Width, c51);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Gather2Tall(float** rows, float* b, int* offsets, int steps, float* init, nint initStride,
        float* c, nint cStride)
    {
        float* a0 = rows[0], a1 = rows[1], a2 = rows[2], a3 = rows[3];
        float* a4 = rows[4], a5 = rows[5], a6 = rows[6], a7 = rows[7];
        TVector c00 = TSimd.Load(init), c01 = TSimd.Load(init + TSimd.Width);
        init += initStride;
        TVector c10 = TSimd.Load(init), c11 = TSimd.Load(init + TSimd.Width);
        init += initStride;
        TVector c20 = TSimd.Load(init), c21 = TSimd.Load(init + TSimd.Width);
        init += initStride;
        TVector c30 = TSimd.Load(init), c31 = TSimd.Load(init + TSimd.Width);
        init += initStride;
        TVector c40 = TSimd.Load(init), c41 = TSimd.Load(init + TSimd.Width);
        init += initStride;
        TVector c50 = TSimd.Load(init), c51 = TSimd.Load(init + TSimd.Width);
        init += initStride;
        TVector c60 = TSimd.Load(init), c61 = TSimd.Load(init + TSimd.Width);
        init += initStride;
        TVector c70 = TSimd.Load(init), c71 = TSimd.Load(init + TSimd.Width);
        for (; steps > 0; steps--, offsets += 2)
        {
            nint k = offsets[0];
            float* row = b + offsets[1];
            TVector b0 = TSimd.Load(row), b1 = TSimd.Load(row + TSimd.Width);
            TVector x = TSimd.Broadcast(a0 + k);
            c00 = TSimd.MultiplyAdd(x, b0, c00);
            c01 = TSimd.MultiplyAdd(x, b1, c01);
            x = TSimd.Broadcast(a1 + k);
            c10 = TSimd.MultiplyAdd(x, b0, c10);
            c11 = TSimd.MultiplyAdd(x, b1, c11);
            x = TSimd.Broadcast(a2 + k);
            c20 = TSimd.MultiplyAdd(x, b0, c20);
            c21 = TSimd.MultiplyAdd(x, b1, c21);
            x = TSimd.Broadcast(a3 + k);
            c30 = TSimd.MultiplyAdd(x, b0, c30);
            c31 = TSimd.MultiplyAdd(x, b1, c31);
            x = TSimd.Broadcast(a4 + k);
            c40 = TSimd.MultiplyAdd(x, b0, c40);
            c41 = TSimd.MultiplyAdd(x, b1, c41);
            x = TSimd.Broadcast(a5 + k);
            c50 = TSimd.MultiplyAdd(x, b0, c50);
            c51 = TSimd.MultiplyAdd(x, b1, c51);
            x = TSimd.Broadcast(a6 + k);
            c60 = TSimd.MultiplyAdd(x, b0, c60);
            c61 = TSimd.MultiplyAdd(x, b1, c61);
            x = TSimd.Broadcast(a7 + k);
            c70 = TSimd.MultiplyAdd(x, b0, c70);
            c71 = TSimd.MultiplyAdd(x, b1, c71);
        }

        TSimd.Store(c, c00);
        TSimd.Store(c + TSimd.Width, c01);
        c += cStride;
        TSimd.Store(c, c10);
        TSimd.Store(c + TSimd.Width, c11);
        c += cStride;
        TSimd.Store(c, c20);
        TSimd.Store(c + TSimd.Width, c21);
        c += cStride;
        TSimd.Store(c, c30);
        TSimd.Store(c + TSimd.Width, c31);
        c += cStride;
        TSimd.Store(c, c40);
        TSimd.Store(c + TSimd.Width, c41);
        c += cStride;
        TSimd.Store(c, c50);
        TSimd.Store(c + TSimd.Width, c51);
        c += cStride;
        TSimd.Store(c, c60);
        TSimd.Store(c + TSimd.Width, c61);
        c += cStride;
        TSimd.Store(c, c70);
        TSimd.Store(c + TSimd.Width, c71);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Gather1(float** rows, float* b, int* offsets, int steps, float* init, nint initStride,
        float* c, nint cStride)
    {
        float* a0 = rows[0], a1 = rows[1], a2 = rows[2], a3 = rows[3];
        float* a4 = rows[4], a5 = rows[5], a6 = rows[6], a7 = rows[7];
        TVector c00 = TSimd.Load(init);
        init += initStride;
        TVector c10 = TSimd.Load(init);
        init += initStride;
        TVector c20 = TSimd.Load(init);
        init += initStride;
        TVector c30 = TSimd.Load(init);
        init += initStride;
        TVector c40 = TSimd.Load(init);
        init += initStride;
        TVector c50 = TSimd.Load(init);
        init += initStride;
        TVector c60 = TSimd.Load(init);
        init += initStride;
        TVector c70 = TSimd.Load(init);
        for (; steps > 0; steps--, offsets += 2)
        {
            nint k = offsets[0];
            float* row = b + offsets[1];
            TVector b0 = TSimd.Load(row);
            TVector x = TSimd.Broadcast(a0 + k);
            c00 = TSimd.MultiplyAdd(x, b0, c00);
            x = TSimd.Broadcast(a1 + k);
            c10 = TSimd.MultiplyAdd(x, b0, c10);
            x = TSimd.Broadcast(a2 + k);
            c20 = TSimd.MultiplyAdd(x, b0, c20);
            x = TSimd.Broadcast(a3 + k);
            c30 = TSimd.MultiplyAdd(x, b0, c30);
            x = TSimd.Broadcast(a4 + k);
            c40 = TSimd.MultiplyAdd(x, b0, c40);
            x = TSimd.Broadcast(a5 + k);
            c50 = TSimd.MultiplyAdd(x, b0, c50);
            x = TSimd.Broadcast(a6 + k);
            c60 = TSimd.MultiplyAdd(x, b0, c60);
            x = TSimd.Broadcast(a7 + k);
            c70 = TSimd.MultiplyAdd(x, b0, c70);
        }

        TSimd.Store(c, c00);
        c += cStride;
        TSimd.Store(c, c10);
        c += cStride;
        TSimd.Store(c, c20);
        c += cStride;
        TSimd.Store(c, c30);
        c += cStride;
        TSimd.Store(c, c40);
        c += cStride;
        TSimd.Store(c, c50);
        c += cStride;
        TSimd.Store(c, c60);
        c += cStride;
        TSimd.Store(c, c70);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Row4(float* a, float* b, int* offsets, int steps, float* init, float* c)
    {
        TVector c0 = TSimd.Load(init), c1 = TSimd.Load(init + TSimd.Width),
            c2 = TSimd.Load(init + (2 * TSimd.Width)), c3 = TSimd.Load(init + (3 * TSimd.Width));
        for (; steps > 0; steps--, offsets += 2)
        {
            TVector x = TSimd.Broadcast(a + offsets[0]);
            float* row = b + offsets[1];
            c0 = TSimd.MultiplyAdd(x, TSimd.Load(row), c0);
            c1 = TSimd.MultiplyAdd(x, TSimd.Load(row + TSimd.Width), c1);
            c2 = TSimd.MultiplyAdd(x, TSimd.Load(row + (2 * TSimd.Width)), c2);
            c3 = TSimd.MultiplyAdd(x, TSimd.Load(row + (3 * TSimd.Width)), c3);
        }

        TSimd.Store(c, c0);
        TSimd.Store(c + TSimd.Width, c1);
        TSimd.Store(c + (2 * TSimd.Width), c2);
        TSimd.Store(c + (3 * TSimd.Width), c3);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Row2(float* a, float* b, int* offsets, int steps, float* init, float* c)
    {
        TVector c0 = TSimd.Load(init), c1 = TSimd.Load(init + TSimd.Width);
        for (; steps > 0; steps--, offsets += 2)
        {
            TVector x = TSimd.Broadcast(a + offsets[0]);
            float* row = b + offsets[1];
            c0 = TSimd.MultiplyAdd(x, TSimd.Load(row), c0);
            c1 = TSimd.MultiplyAdd(x, TSimd.Load(row + TSimd.Width), c1);
        }

        TSimd.Store(c, c0);
        TSimd.Store(c + TSimd.Width, c1);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Row1(float* a, float* b, int* offsets, int steps, float* init, float* c)
    {
        TVector c0 = TSimd.Load(init);
        for (; steps > 0; steps--, offsets += 2)
        {
            TVector x = TSimd.Broadcast(a + offsets[0]);
            float* row = b + offsets[1];
            c0 = TSimd.MultiplyAdd(x, TSimd.Load(row), c0);
        }

        TSimd.Store(c, c0);
    }
}
