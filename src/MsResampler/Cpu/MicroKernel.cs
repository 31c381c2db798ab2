using System.Runtime.CompilerServices;
using MsResampler.Cpu.Simd;

namespace MsResampler.Cpu;

/// <summary>The register tile of every matrix product: <c>C = init + A·B</c> for a few rows and one to four
/// vectors of columns. The sums stay in registers from the first step to the last.</summary>
/// <remarks>
/// <para>Each element is one chain of multiply-adds in the order of the steps, whichever tile computes it.
/// Results therefore do not depend on how rows are grouped, on the batch or on the number of threads.</para>
/// <para>The rows of A are pointers that advance together, by a constant step or by a list of offsets: a row-major
/// matrix has a step of 1, a transposed one a step of its row length. Rows may start anywhere, so the patches of a
/// window are read in place. <c>init</c> is a bias (<c>initStride</c> 0) or C itself, to accumulate.</para>
/// <para>Six rows by four vectors are 24 sums, 4 vectors of B and a broadcast: 29 of 32 registers. A tile of one
/// vector has eight rows: as many sums as cover the latency of a multiply-add on two ports. Tiles of two and
/// three vectors have eight rows where there are 32 registers for their sums; a tile of two vectors has six where
/// there are 16 registers.</para>
/// <para>The compiler keeps separate variables in registers, but not the elements of an array, so each row of a
/// tile is a variable of its own. A row updates itself in place: returned by value, the loop of the 6×4 tile
/// had 50 instructions instead of 41.</para>
/// </remarks>
internal static unsafe class MicroKernel<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
{
    /// <summary>Rows of the tallest tile.</summary>
    public const int MaxRowCount = 8;

    /// <summary>Floats in a cache line, which a tile prefetches per step.</summary>
    public const int LineFloats = 16;

    /// <summary>A number of rows that is a multiple of every tile height.</summary>
    public const int RowMultiple = 24;

    /// <summary>Columns of the widest tile.</summary>
    public static int PanelWidth => TSimd.PanelVectors * TSimd.Width;

    /// <summary>Columns of the narrowest tile (1 to 4 vectors) that holds <paramref name="columnCount"/>
    /// columns; at most <see cref="PanelWidth"/> are allowed.</summary>
    public static int TileWidth(int columnCount) => (columnCount + TSimd.Width - 1) / TSimd.Width * TSimd.Width;

    /// <summary>Rows of a tile of <paramref name="width"/> columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int RowCount(int width)
        => width < PanelWidth ? MaxRowCount : 6;

    /// <summary>Computes one tile.</summary>
    /// <param name="width">1 to 4 vectors of columns, in floats; at most <see cref="PanelWidth"/>.</param>
    /// <param name="rows"><see cref="RowCount"/> pointers to the first element of each row of A.</param>
    /// <param name="rowStep">Floats from one element of a row to the next.</param>
    /// <param name="steps">The length of the inner dimension.</param>
    /// <param name="b">B, <paramref name="steps"/> rows of <paramref name="width"/> floats.</param>
    /// <param name="bStep">Floats from one row of B to the next.</param>
    /// <param name="init">The initial values of the sums.</param>
    /// <param name="initStride">Floats between rows of <paramref name="init"/>; 0 repeats one row.</param>
    /// <param name="c">The result, rows of <paramref name="width"/> floats.</param>
    /// <param name="cStride">Floats between rows of <paramref name="c"/>.</param>
    /// <param name="next">Memory to prefetch, one cache line per step; or null.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Tile(int width, float** rows, nint rowStep, int steps, float* b, nint bStep, float* init,
        nint initStride, float* c, nint cStride, float* next = null)
    {
        if (TSimd.PanelVectors == 4 && width == 4 * TSimd.Width)
            Tile4(rows, rowStep, steps, b, bStep, init, initStride, c, cStride, next == null ? b : next);
        else
            TileOf(width, rows, new ConstantSteps(b, rowStep, bStep, next == null ? b : next), steps, init, initStride,
                c, cStride);
    }

    /// <summary>Computes one tile with an offset per step: step k reads element <c>offsets[2k]</c> of every row
    /// of A and the row of B at <c>offsets[2k+1]</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Gather(int width, float** rows, float* b, int* offsets, int steps, float* init, nint initStride,
        float* c, nint cStride)
        => TileOf(width, rows, new GatheredSteps(b, offsets), steps, init, initStride, c, cStride);

    /// <summary>Computes a single row with an offset per step, as <see cref="Gather"/> does.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void GatherRow(int width, float* row, float* b, int* offsets, int steps, float* init, float* c)
    {
        if (TSimd.PanelVectors == 4 && width == 4 * TSimd.Width)
            Tile1<TileRow4, GatheredSteps>(row, new(b, offsets), steps, init, c);
        else if (width == 2 * TSimd.Width)
            Tile1<TileRow2, GatheredSteps>(row, new(b, offsets), steps, init, c);
        else
            Tile1<TileRow1, GatheredSteps>(row, new(b, offsets), steps, init, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void TileOf<TSteps>(int width, float** rows, TSteps steps, int stepCount, float* init,
        nint initStride, float* c, nint cStride)
        where TSteps : struct, ITileSteps
    {
        if (TSimd.PanelVectors == 4 && width == 4 * TSimd.Width)
            Tile6<TileRow4, TSteps>(rows, steps, stepCount, init, initStride, c, cStride);
        else if (TSimd.PanelVectors == 4 && width == 3 * TSimd.Width)
            Tile8<TileRow3, TSteps>(rows, steps, stepCount, init, initStride, c, cStride);
        else if (TSimd.PanelVectors == 4 && width == 2 * TSimd.Width)
            Tile8<TileRow2, TSteps>(rows, steps, stepCount, init, initStride, c, cStride);
        else if (width == 2 * TSimd.Width)
            Tile6<TileRow2, TSteps>(rows, steps, stepCount, init, initStride, c, cStride);
        else
            Tile8<TileRow1, TSteps>(rows, steps, stepCount, init, initStride, c, cStride);
    }

    /// <summary>The widest tile at constant steps, which computes most of a product. As <c>Tile6</c> it had the same
    /// instructions in other registers, and a product took 5 to 10 % longer on an AMD EPYC with AVX-512.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile4(float** rows, nint rowStep, int steps, float* b, nint bStep, float* init,
        nint initStride, float* c, nint cStride, float* next)
    {
        float* a0 = rows[0], a1 = rows[1], a2 = rows[2], a3 = rows[3], a4 = rows[4], a5 = rows[5];
        TileRow4 c0 = TileRow4.Load(init);
        init += initStride;
        TileRow4 c1 = TileRow4.Load(init);
        init += initStride;
        TileRow4 c2 = TileRow4.Load(init);
        init += initStride;
        TileRow4 c3 = TileRow4.Load(init);
        init += initStride;
        TileRow4 c4 = TileRow4.Load(init);
        init += initStride;
        TileRow4 c5 = TileRow4.Load(init);
        for (nint k = 0; steps > 0; steps--)
        {
            TileRow4 row = TileRow4.Load(b);
            c0.AddProduct(TSimd.Broadcast(a0 + k), in row);
            c1.AddProduct(TSimd.Broadcast(a1 + k), in row);
            c2.AddProduct(TSimd.Broadcast(a2 + k), in row);
            c3.AddProduct(TSimd.Broadcast(a3 + k), in row);
            c4.AddProduct(TSimd.Broadcast(a4 + k), in row);
            c5.AddProduct(TSimd.Broadcast(a5 + k), in row);
            TSimd.Prefetch(next);
            next += LineFloats;
            k += rowStep;
            b += bStep;
        }

        c0.Store(c);
        c1.Store(c += cStride);
        c2.Store(c += cStride);
        c3.Store(c += cStride);
        c4.Store(c += cStride);
        c5.Store(c + cStride);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile1<TRow, TSteps>(float* a, TSteps steps, int stepCount, float* init, float* c)
        where TRow : struct, ITileRow<TRow>
        where TSteps : struct, ITileSteps
    {
        TRow c0 = TRow.Load(init);
        for (; stepCount > 0; stepCount--, steps.MoveNext())
            c0.AddProduct(TSimd.Broadcast(a + steps.Offset), steps.B);
        c0.Store(c);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile6<TRow, TSteps>(float** rows, TSteps steps, int stepCount, float* init, nint initStride,
        float* c, nint cStride)
        where TRow : struct, ITileRow<TRow>
        where TSteps : struct, ITileSteps
    {
        float* a0 = rows[0], a1 = rows[1], a2 = rows[2], a3 = rows[3];
        float* a4 = rows[4], a5 = rows[5];
        TRow c0 = TRow.Load(init);
        init += initStride;
        TRow c1 = TRow.Load(init);
        init += initStride;
        TRow c2 = TRow.Load(init);
        init += initStride;
        TRow c3 = TRow.Load(init);
        init += initStride;
        TRow c4 = TRow.Load(init);
        init += initStride;
        TRow c5 = TRow.Load(init);
        for (; stepCount > 0; stepCount--, steps.MoveNext())
        {
            nint k = steps.Offset;
            TRow b = TRow.Load(steps.B);
            c0.AddProduct(TSimd.Broadcast(a0 + k), in b);
            c1.AddProduct(TSimd.Broadcast(a1 + k), in b);
            c2.AddProduct(TSimd.Broadcast(a2 + k), in b);
            c3.AddProduct(TSimd.Broadcast(a3 + k), in b);
            c4.AddProduct(TSimd.Broadcast(a4 + k), in b);
            c5.AddProduct(TSimd.Broadcast(a5 + k), in b);
        }

        c0.Store(c);
        c1.Store(c += cStride);
        c2.Store(c += cStride);
        c3.Store(c += cStride);
        c4.Store(c += cStride);
        c5.Store(c + cStride);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile8<TRow, TSteps>(float** rows, TSteps steps, int stepCount, float* init, nint initStride,
        float* c, nint cStride)
        where TRow : struct, ITileRow<TRow>
        where TSteps : struct, ITileSteps
    {
        float* a0 = rows[0], a1 = rows[1], a2 = rows[2], a3 = rows[3];
        float* a4 = rows[4], a5 = rows[5], a6 = rows[6], a7 = rows[7];
        TRow c0 = TRow.Load(init);
        init += initStride;
        TRow c1 = TRow.Load(init);
        init += initStride;
        TRow c2 = TRow.Load(init);
        init += initStride;
        TRow c3 = TRow.Load(init);
        init += initStride;
        TRow c4 = TRow.Load(init);
        init += initStride;
        TRow c5 = TRow.Load(init);
        init += initStride;
        TRow c6 = TRow.Load(init);
        init += initStride;
        TRow c7 = TRow.Load(init);
        for (; stepCount > 0; stepCount--, steps.MoveNext())
        {
            nint k = steps.Offset;
            TRow b = TRow.Load(steps.B);
            c0.AddProduct(TSimd.Broadcast(a0 + k), in b);
            c1.AddProduct(TSimd.Broadcast(a1 + k), in b);
            c2.AddProduct(TSimd.Broadcast(a2 + k), in b);
            c3.AddProduct(TSimd.Broadcast(a3 + k), in b);
            c4.AddProduct(TSimd.Broadcast(a4 + k), in b);
            c5.AddProduct(TSimd.Broadcast(a5 + k), in b);
            c6.AddProduct(TSimd.Broadcast(a6 + k), in b);
            c7.AddProduct(TSimd.Broadcast(a7 + k), in b);
        }

        c0.Store(c);
        c1.Store(c += cStride);
        c2.Store(c += cStride);
        c3.Store(c += cStride);
        c4.Store(c += cStride);
        c5.Store(c += cStride);
        c6.Store(c += cStride);
        c7.Store(c + cStride);
    }

    /// <summary>One row of a tile, or a row of B: 1 to 4 vectors.</summary>
    private interface ITileRow<TSelf>
        where TSelf : struct, ITileRow<TSelf>
    {
        static abstract TSelf Load(float* source);

        /// <summary>Adds <paramref name="x"/>·<paramref name="b"/>.</summary>
        void AddProduct(TVector x, in TSelf b);

        /// <summary>Adds <paramref name="x"/>·<paramref name="b"/>, read from memory by the multiply-adds.</summary>
        void AddProduct(TVector x, float* b);

        void Store(float* destination);
    }

    /// <summary>The places that the steps of a product read.</summary>
    private interface ITileSteps
    {
        /// <summary>Floats from the start of a row of A to its element.</summary>
        nint Offset { get; }

        /// <summary>The row of B.</summary>
        float* B { get; }

        void MoveNext();
    }

    private struct TileRow1 : ITileRow<TileRow1>
    {
        private TVector _v0;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TileRow1 Load(float* source) => new() { _v0 = TSimd.Load(source) };

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void AddProduct(TVector x, in TileRow1 b) => _v0 = TSimd.MultiplyAdd(x, b._v0, _v0);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void AddProduct(TVector x, float* b) => _v0 = TSimd.MultiplyAdd(x, TSimd.Load(b), _v0);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public readonly void Store(float* destination) => TSimd.Store(destination, _v0);
    }

    private struct TileRow2 : ITileRow<TileRow2>
    {
        private TVector _v0, _v1;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TileRow2 Load(float* source) => new()
        {
            _v0 = TSimd.Load(source),
            _v1 = TSimd.Load(source + TSimd.Width),
        };

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void AddProduct(TVector x, in TileRow2 b)
        {
            _v0 = TSimd.MultiplyAdd(x, b._v0, _v0);
            _v1 = TSimd.MultiplyAdd(x, b._v1, _v1);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void AddProduct(TVector x, float* b)
        {
            _v0 = TSimd.MultiplyAdd(x, TSimd.Load(b), _v0);
            _v1 = TSimd.MultiplyAdd(x, TSimd.Load(b + TSimd.Width), _v1);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public readonly void Store(float* destination)
        {
            TSimd.Store(destination, _v0);
            TSimd.Store(destination + TSimd.Width, _v1);
        }
    }

    private struct TileRow3 : ITileRow<TileRow3>
    {
        private TVector _v0, _v1, _v2;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TileRow3 Load(float* source) => new()
        {
            _v0 = TSimd.Load(source),
            _v1 = TSimd.Load(source + TSimd.Width),
            _v2 = TSimd.Load(source + (2 * TSimd.Width)),
        };

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void AddProduct(TVector x, in TileRow3 b)
        {
            _v0 = TSimd.MultiplyAdd(x, b._v0, _v0);
            _v1 = TSimd.MultiplyAdd(x, b._v1, _v1);
            _v2 = TSimd.MultiplyAdd(x, b._v2, _v2);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void AddProduct(TVector x, float* b)
        {
            _v0 = TSimd.MultiplyAdd(x, TSimd.Load(b), _v0);
            _v1 = TSimd.MultiplyAdd(x, TSimd.Load(b + TSimd.Width), _v1);
            _v2 = TSimd.MultiplyAdd(x, TSimd.Load(b + (2 * TSimd.Width)), _v2);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public readonly void Store(float* destination)
        {
            TSimd.Store(destination, _v0);
            TSimd.Store(destination + TSimd.Width, _v1);
            TSimd.Store(destination + (2 * TSimd.Width), _v2);
        }
    }

    private struct TileRow4 : ITileRow<TileRow4>
    {
        private TVector _v0, _v1, _v2, _v3;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TileRow4 Load(float* source) => new()
        {
            _v0 = TSimd.Load(source),
            _v1 = TSimd.Load(source + TSimd.Width),
            _v2 = TSimd.Load(source + (2 * TSimd.Width)),
            _v3 = TSimd.Load(source + (3 * TSimd.Width)),
        };

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void AddProduct(TVector x, in TileRow4 b)
        {
            _v0 = TSimd.MultiplyAdd(x, b._v0, _v0);
            _v1 = TSimd.MultiplyAdd(x, b._v1, _v1);
            _v2 = TSimd.MultiplyAdd(x, b._v2, _v2);
            _v3 = TSimd.MultiplyAdd(x, b._v3, _v3);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void AddProduct(TVector x, float* b)
        {
            _v0 = TSimd.MultiplyAdd(x, TSimd.Load(b), _v0);
            _v1 = TSimd.MultiplyAdd(x, TSimd.Load(b + TSimd.Width), _v1);
            _v2 = TSimd.MultiplyAdd(x, TSimd.Load(b + (2 * TSimd.Width)), _v2);
            _v3 = TSimd.MultiplyAdd(x, TSimd.Load(b + (3 * TSimd.Width)), _v3);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public readonly void Store(float* destination)
        {
            TSimd.Store(destination, _v0);
            TSimd.Store(destination + TSimd.Width, _v1);
            TSimd.Store(destination + (2 * TSimd.Width), _v2);
            TSimd.Store(destination + (3 * TSimd.Width), _v3);
        }
    }

    /// <summary>Steps at constant distances, which prefetch a cache line each.</summary>
    private struct ConstantSteps(float* b, nint rowStep, nint bStep, float* next) : ITileSteps
    {
        public nint Offset { get; private set; }

        public float* B { get; private set; } = b;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void MoveNext()
        {
            TSimd.Prefetch(next);
            next += LineFloats;
            Offset += rowStep;
            B += bStep;
        }
    }

    /// <summary>Steps at two listed offsets each: into the rows of A, and from the start of B.</summary>
    private struct GatheredSteps(float* b, int* offsets) : ITileSteps
    {
        public readonly nint Offset => offsets[0];

        public readonly float* B => b + offsets[1];

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void MoveNext() => offsets += 2;
    }
}
