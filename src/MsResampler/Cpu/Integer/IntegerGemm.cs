using System.Runtime.CompilerServices;
using MsResampler.Cpu.Simd;
using MsResampler.Model;

namespace MsResampler.Cpu.Integer;

/// <summary>One panel of <c>C = A·B + bias</c> for a range of rows, with integer operands and a float32
/// result.</summary>
/// <remarks>
/// <para>An element is <c>fma(s, rowScale·columnScale, bias)</c>, where s is the exact sum of products, rounded to
/// float32: <c>s = Σ(a − zero)·b = Σa·b − zero·Σb</c>. For a row with a residual, <c>fma(s', residualScale·columnScale,
/// element)</c> follows. The bits of an element hence depend on its row and column only.</para>
/// <para>|Σa·b| is at most 255·127·65,536 = 2,122,383,360 with 8 bits and level²·K below 2³¹ with 16 bits, see
/// <see cref="IntegerTypes.MaxLevel"/>: 32-bit sums are exact.</para>
/// </remarks>
[SkipLocalsInit]
internal static unsafe class IntegerGemm<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
{
    private const int LineBytes = 64;

    /// <summary>Computes one panel of C.</summary>
    /// <param name="rows">A.</param>
    /// <param name="firstRow">The first row of A.</param>
    /// <param name="rowCount">The number of rows, at least 1.</param>
    /// <param name="matrix">B with its bias, packed for a kernel of this instruction set.</param>
    /// <param name="panel">The panel of B.</param>
    /// <param name="c">The row of C for <paramref name="firstRow"/>, at column 0.</param>
    /// <param name="cStride">Floats between rows of C.</param>
    public static void Panel(in IntegerRows rows, int firstRow, int rowCount, IntegerMatrix matrix, int panel, float* c,
        nint cStride)
        => Multiply(rows, firstRow, rowCount, matrix, panel,
            new Target(c, cStride, int.MaxValue, 0, matrix, panel));

    /// <summary>Computes one panel of C and stores it head by head, as
    /// <see cref="Gemm{TSimd,TVector}.PanelToHeads"/>.</summary>
    /// <param name="rows">A.</param>
    /// <param name="firstRow">The first row of A.</param>
    /// <param name="rowCount">The number of rows, at least 1.</param>
    /// <param name="matrix">B with its bias, packed for a kernel of this instruction set.</param>
    /// <param name="panel">The panel of B.</param>
    /// <param name="c">The row of head 0 for <paramref name="firstRow"/>.</param>
    /// <param name="heads">The layout of C.</param>
    public static void PanelToHeads(in IntegerRows rows, int firstRow, int rowCount, IntegerMatrix matrix, int panel,
        float* c, HeadLayout heads)
        => Multiply(rows, firstRow, rowCount, matrix, panel, new Target(c, heads.RowStride, heads.HeadSize,
            heads.HeadStride, matrix, panel));

    private static void Multiply(in IntegerRows rows, int firstRow, int rowCount, IntegerMatrix matrix, int panel,
        in Target target)
    {
        byte* scratch = stackalloc byte[(IntegerTile.RowCount * matrix.PanelWidth * sizeof(int)) + LineBytes];
        IntegerTile tile = new()
        {
            Panel = matrix.Panel(panel),
            StepCount = matrix.StepCount,
            StepStride = 1,
            Sums = (int*)(((nuint)scratch + LineBytes - 1) & ~(nuint)(LineBytes - 1)),
        };
        int* indices = stackalloc int[IntegerTile.RowCount];
        for (int row = 0; row < rowCount; row += IntegerTile.RowCount)
        {
            int count = Math.Min(IntegerTile.RowCount, rowCount - row);
            for (int r = 0; r < count; r++)
                indices[r] = row + r;
            MultiplyRows(rows, firstRow, indices, count, isResidual: false, matrix, panel, &tile, target);
        }

        int pending = 0;
        for (int row = 0; row < rowCount; row++)
        {
            if (rows.Scales[firstRow + row].ResidualScale == 0)
                continue;
            indices[pending++] = row;
            if (pending < IntegerTile.RowCount)
                continue;
            MultiplyRows(rows, firstRow, indices, pending, isResidual: true, matrix, panel, &tile, target);
            pending = 0;
        }

        if (pending > 0)
            MultiplyRows(rows, firstRow, indices, pending, isResidual: true, matrix, panel, &tile, target);
    }

    /// <summary>Computes a tile of listed rows, the last of which is repeated, and writes its elements.</summary>
    private static void MultiplyRows(in IntegerRows rows, int firstRow, int* indices, int count, bool isResidual,
        IntegerMatrix matrix, int panel, IntegerTile* tile, in Target target)
    {
        int width = matrix.PanelWidth;
        byte* values = isResidual ? rows.Residuals : rows.Values;
        int** pointers = &tile->Row0;
        for (int r = 0; r < IntegerTile.RowCount; r++)
        {
            int index = indices[Math.Min(r, count - 1)];
            pointers[r] = (int*)(values + ((firstRow + index) * rows.Stride));
            for (int column = 0; column < width; column += LineBytes / sizeof(float))
                TSimd.Prefetch(target.Row(index) + column);
        }

        if (matrix.Type == IntegerType.Int8)
            matrix.Kernel.MultiplyInt8(tile);
        else
            matrix.Kernel.MultiplyInt16(tile);

        float* edge = stackalloc float[width];
        float* bias = matrix.Bias(panel), scales = matrix.Scales(panel);
        int* columnSums = matrix.Sums(panel);
        for (int r = 0; r < count; r++)
        {
            RowScale row = rows.Scales[firstRow + indices[r]];
            float* result = target.HasWholeRows ? target.Row(indices[r]) : edge;
            if (isResidual && result == edge)
                target.Read(indices[r], edge);
            int* sums = tile->Sums + (r * width);
            if (isResidual)
                Finish(sums, rows.ResidualZero, columnSums, row.ResidualScale, scales, result, result, width);
            else
                Finish(sums, row.Zero, columnSums, row.Scale, scales, bias, result, width);
            if (result == edge)
                target.Write(indices[r], edge);
        }
    }

    /// <summary>Converts a row of sums to results.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish(int* sums, int zero, int* columnSums, float rowScale, float* columnScales, float* init,
        float* result, int width)
    {
        TVector factor = TSimd.Create(rowScale);
        for (int column = 0; column < width; column += TSimd.Width)
        {
            TVector sum = TSimd.ConvertDifference(sums + column, zero, columnSums + column);
            TVector scale = TSimd.Multiply(factor, TSimd.Load(columnScales + column));
            TSimd.Store(result + column, TSimd.MultiplyAdd(sum, scale, TSimd.Load(init + column)));
        }
    }

    /// <summary>Where the columns of a panel are stored: consecutively within a head.</summary>
    private readonly struct Target
    {
        private readonly float* _first;
        private readonly nint _rowStride;
        private readonly nint _headStride;
        private readonly int _headSize;
        private readonly int _firstChannel;
        private readonly int _columns;

        /// <param name="c">Row 0 of head 0.</param>
        /// <param name="rowStride">Floats between rows.</param>
        /// <param name="headSize">Columns of a head.</param>
        /// <param name="headStride">Floats between heads.</param>
        /// <param name="matrix">The right operand.</param>
        /// <param name="panel">Its panel.</param>
        public Target(float* c, nint rowStride, int headSize, nint headStride, IntegerMatrix matrix, int panel)
        {
            (int head, _firstChannel) = Math.DivRem(panel * matrix.PanelWidth, headSize);
            _first = c + (head * headStride) + _firstChannel;
            _rowStride = rowStride;
            _headStride = headStride;
            _headSize = headSize;
            _columns = matrix.ColumnsOf(panel);
            HasWholeRows = _columns == matrix.PanelWidth && _firstChannel + _columns <= headSize;
        }

        /// <summary>Whether rows of the panel's width may be written in place.</summary>
        public bool HasWholeRows { get; }

        /// <summary>The first column of the panel in a row.</summary>
        public float* Row(int row) => _first + (row * _rowStride);

        public void Write(int row, float* source)
        {
            for (int column = 0; column < _columns;)
            {
                Span<float> part = Part(row, column);
                new ReadOnlySpan<float>(source + column, part.Length).CopyTo(part);
                column += part.Length;
            }
        }

        public void Read(int row, float* destination)
        {
            for (int column = 0; column < _columns;)
            {
                Span<float> part = Part(row, column);
                part.CopyTo(new Span<float>(destination + column, part.Length));
                column += part.Length;
            }
        }

        /// <summary>The columns from <paramref name="column"/> of the panel to the end of their head or of the
        /// panel.</summary>
        private Span<float> Part(int row, int column)
        {
            (int head, int channel) = Math.DivRem(_firstChannel + column, _headSize);
            return new Span<float>(Row(row) + (head * _headStride) + channel - _firstChannel,
                Math.Min(_columns - column, _headSize - channel));
        }
    }
}
