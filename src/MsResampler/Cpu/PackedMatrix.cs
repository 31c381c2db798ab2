using System.Diagnostics;
using System.Numerics;
using System.Runtime.CompilerServices;
using MsResampler.Cpu.Simd;
using MsResampler.Model;

namespace MsResampler.Cpu;

/// <summary>The right operand of a matrix product and a bias, stored in the order in which
/// <see cref="MicroKernel{TSimd,TVector}"/> reads them: consecutive panels of columns, each [inner, panel
/// width] row-major. The last panel has the width of the narrowest tile that holds it and is padded with zeros.
/// Without a bias, the bias is zero.</summary>
internal sealed unsafe class PackedMatrix : WeightMatrix
{
    private readonly AlignedBuffer _values;
    private readonly AlignedBuffer _bias;
    private readonly int _panelWidth;
    private readonly int _lastWidth;
    private readonly int _firstPanel;

    private PackedMatrix(int innerCount, int columnCount, int panelWidth, int lastWidth)
    {
        InnerCount = innerCount;
        ColumnCount = columnCount;
        _panelWidth = panelWidth;
        _lastWidth = lastWidth;
        int paddedCount = ((PanelCount - 1) * panelWidth) + lastWidth;
        _values = new AlignedBuffer((long)paddedCount * innerCount);
        _bias = new AlignedBuffer(paddedCount);
    }

    /// <summary>Whole panels of another matrix.</summary>
    private PackedMatrix(PackedMatrix matrix, int firstPanel, int panelCount)
    {
        InnerCount = matrix.InnerCount;
        ColumnCount = panelCount * matrix._panelWidth;
        _panelWidth = _lastWidth = matrix._panelWidth;
        _firstPanel = matrix._firstPanel + firstPanel;
        _values = matrix._values;
        _bias = matrix._bias;
    }

    /// <inheritdoc/>
    public override int InnerCount { get; }

    /// <inheritdoc/>
    public override int ColumnCount { get; }

    /// <inheritdoc/>
    public override int PanelWidth => _panelWidth;

    /// <inheritdoc/>
    public override long Bytes => (long)sizeof(float) * (_values.Count + _bias.Count);

    /// <summary>The stored width of a panel, padding included.</summary>
    public int WidthOf(int panel) => panel == PanelCount - 1 ? _lastWidth : _panelWidth;

    public float* Panel(int panel) => _values.Pointer + ((nint)(_firstPanel + panel) * _panelWidth * InnerCount);

    public float* Bias(int panel) => _bias.Pointer + ((nint)(_firstPanel + panel) * _panelWidth);

    /// <summary>A part of the columns and their bias, in the memory of this matrix.</summary>
    /// <param name="first">The first column, a multiple of <see cref="PanelWidth"/>.</param>
    /// <param name="count">The number of columns, a multiple of <see cref="PanelWidth"/>.</param>
    public PackedMatrix Columns(int first, int count)
    {
        Debug.Assert(first % _panelWidth == 0 && count % _panelWidth == 0 && first + count <= ColumnCount);
        return new PackedMatrix(this, first / _panelWidth, count / _panelWidth);
    }

    /// <summary>Packs Wᵀ for <c>x·Wᵀ + b</c>.</summary>
    /// <param name="weight">W, [columns of the product, inner] row-major.</param>
    /// <param name="columnCount">Rows of W.</param>
    /// <param name="innerCount">Columns of W.</param>
    /// <param name="bias">b; empty for zero.</param>
    public static PackedMatrix FromTransposed<TSimd, TVector>(ReadOnlySpan<float> weight, int columnCount,
        int innerCount, ReadOnlySpan<float> bias = default)
        where TSimd : struct, ISimd<TVector>
    {
        PackedMatrix packed = Create<TSimd, TVector>(columnCount, innerCount, bias);
        fixed (float* source = weight)
        {
            nint address = (nint)source;
            Parallel.For(0, packed.PanelCount, panel => packed.FillPanel(panel,
                (float*)address + ((nint)panel * packed._panelWidth * innerCount)));
        }

        return packed;
    }

    /// <summary>Packs Wᵀ of a checkpoint. W is read in parts, so that it is never in memory twice.</summary>
    public static PackedMatrix FromTransposed<TSimd, TVector>(WeightTensor weight, ReadOnlySpan<float> bias)
        where TSimd : struct, ISimd<TVector>
    {
        PackedMatrix packed = Create<TSimd, TVector>(weight.Rows, weight.Columns, bias);
        if (weight.IsStoredTransposed)
            packed.FillFromStored(weight);
        else
            packed.FillFromRows(weight);
        return packed;
    }

    /// <inheritdoc/>
    public override void CopyWeightTo(float* destination)
    {
        for (int panel = 0; panel < PanelCount; panel++)
            Transposition.Run(Panel(panel), WidthOf(panel), InnerCount, ColumnsOf(panel),
                destination + ((nint)panel * _panelWidth * InnerCount), InnerCount);
    }

    /// <inheritdoc/>
    public override ReadOnlySpan<float> BiasValues => new(Bias(0), ColumnCount);

    /// <inheritdoc/>
    public override double[] Multiply(ReadOnlySpan<double> vector)
    {
        double[] result = new double[ColumnCount];
        if (!vector.ContainsAnyExcept(0))
            return result;
        fixed (double* source = vector)
        {
            nint address = (nint)source;
            Parallel.For(0, PanelCount, panel => AddProducts((double*)address, panel,
                result.AsSpan(panel * _panelWidth, ColumnsOf(panel))));
        }

        return result;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void AddProducts(double* vector, int panel, Span<double> sums)
    {
        int width = WidthOf(panel);
        int count = Vector<double>.Count;
        float* row = Panel(panel);
        for (int k = 0; k < InnerCount; k++, row += width)
        {
            double factor = vector[k];
            int column = 0;
            for (; column <= sums.Length - (2 * count); column += 2 * count)
            {
                Vector.Widen(Vector.Load(row + column), out Vector<double> lower, out Vector<double> upper);
                (new Vector<double>(sums[column..]) + (lower * factor)).CopyTo(sums[column..]);
                (new Vector<double>(sums[(column + count)..]) + (upper * factor)).CopyTo(sums[(column + count)..]);
            }

            for (; column < sums.Length; column++)
                sums[column] += factor * row[column];
        }
    }

    /// <inheritdoc/>
    public override bool TrySetBias(ReadOnlySpan<double> values)
    {
        for (int column = 0; column < ColumnCount; column++)
            Bias(0)[column] = (float)values[column];
        return SpanMath.AreFinite(BiasValues);
    }

    /// <summary>Subtracts from every row of Wᵀ its mean over the columns, so that each row of a product has
    /// mean 0.</summary>
    /// <returns>Whether all differences are within the range of float32.</returns>
    public bool TrySubtractMeans()
    {
        int isFinite = 1;
        const int Block = 64;
        Parallel.For(0, (InnerCount + Block - 1) / Block, block =>
        {
            for (int k = block * Block; k < Math.Min((block + 1) * Block, InnerCount); k++)
            {
                double sum = 0;
                for (int panel = 0; panel < PanelCount; panel++)
                    foreach (float value in Row(panel, k))
                        sum += value;
                double mean = sum / ColumnCount;
                for (int panel = 0; panel < PanelCount; panel++)
                {
                    foreach (ref float value in Row(panel, k))
                    {
                        value = (float)(value - mean);
                        if (!float.IsFinite(value))
                            Volatile.Write(ref isFinite, 0);
                    }
                }
            }
        });
        return isFinite != 0;
    }

    /// <summary>A row of a panel, without padding.</summary>
    private Span<float> Row(int panel, int k) => new(Panel(panel) + ((nint)k * WidthOf(panel)), ColumnsOf(panel));

    private static PackedMatrix Create<TSimd, TVector>(int columnCount, int innerCount, ReadOnlySpan<float> bias)
        where TSimd : struct, ISimd<TVector>
    {
        int panelWidth = MicroKernel<TSimd, TVector>.PanelWidth;
        int lastColumns = ((columnCount - 1) % panelWidth) + 1;
        PackedMatrix packed = new(innerCount, columnCount, panelWidth,
            MicroKernel<TSimd, TVector>.TileWidth(lastColumns));
        bias.CopyTo(packed._bias.Span);
        return packed;
    }

    private void FillFromRows(WeightTensor weight) => ParallelReading.For<float>(PanelCount, _panelWidth * InnerCount,
        (panel, rows) =>
        {
            weight.ReadRows(panel * _panelWidth, rows.AsSpan(0, ColumnsOf(panel) * InnerCount));
            fixed (float* source = rows)
                FillPanel(panel, source);
        });

    /// <summary>Fills the panels from a checkpoint that stores Wᵀ, [inner, columns]. The rows of the panels are
    /// parts of the stored rows, which are read in blocks.</summary>
    private void FillFromStored(WeightTensor weight)
    {
        const int BlockElementCount = 1 << 16;
        int rowCount = Math.Clamp(BlockElementCount / ColumnCount, 1, InnerCount);
        ParallelReading.For<float>((InnerCount + rowCount - 1) / rowCount, rowCount * ColumnCount, (block, rows) =>
        {
            int first = block * rowCount;
            int count = Math.Min(rowCount, InnerCount - first);
            weight.ReadStored((long)first * ColumnCount, rows.AsSpan(0, count * ColumnCount));
            for (int panel = 0; panel < PanelCount; panel++)
            {
                for (int row = 0; row < count; row++)
                {
                    rows.AsSpan((row * ColumnCount) + (panel * _panelWidth), ColumnsOf(panel)).CopyTo(
                        new Span<float>(Panel(panel) + ((nint)(first + row) * WidthOf(panel)), ColumnsOf(panel)));
                }
            }
        });
    }

    /// <summary>Transposes rows of W into a panel.</summary>
    /// <param name="panel">The panel.</param>
    /// <param name="source">The rows of W that are the columns of the panel.</param>
    private void FillPanel(int panel, float* source)
        => Transposition.Run(source, InnerCount, ColumnsOf(panel), InnerCount, Panel(panel), WidthOf(panel));
}
