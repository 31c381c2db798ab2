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
/// <remarks>The weights are in float32, or have the 16 bits of the checkpoint. Those are widened, which is exact, to
/// memory of the thread that uses a panel, so that products have the same bits either way.</remarks>
internal sealed unsafe class PackedMatrix : WeightMatrix
{
    /// <summary>Rows of a panel that are widened together while a model is loaded. In float32 they fit the first-level
    /// cache.</summary>
    private const int BlockRows = 64;

    private readonly AlignedBuffer _values;
    private readonly AlignedBuffer _bias;
    private readonly int _panelWidth;
    private readonly int _lastWidth;
    private readonly int _firstPanel;

    // The mean of each row, which is subtracted when the row is widened; null for 0.
    private double[]? _means;

    private PackedMatrix(int innerCount, int columnCount, int panelWidth, int lastWidth, WeightType type)
    {
        Debug.Assert(type is WeightType.Float32 or WeightType.Float16 or WeightType.BFloat16);
        Type = type;
        InnerCount = innerCount;
        ColumnCount = columnCount;
        _panelWidth = panelWidth;
        _lastWidth = lastWidth;
        int paddedCount = ((PanelCount - 1) * panelWidth) + lastWidth;
        _values = AlignedBuffer.OfBytes((long)paddedCount * innerCount * ElementBytes);
        _bias = new AlignedBuffer(paddedCount);
    }

    /// <summary>Whole panels of another matrix.</summary>
    private PackedMatrix(PackedMatrix matrix, int firstPanel, int panelCount)
    {
        Type = matrix.Type;
        InnerCount = matrix.InnerCount;
        ColumnCount = panelCount * matrix._panelWidth;
        _panelWidth = _lastWidth = matrix._panelWidth;
        _firstPanel = matrix._firstPanel + firstPanel;
        _values = matrix._values;
        _bias = matrix._bias;
        _means = matrix._means;
    }

    /// <summary>The type of the weights in memory: float32, float16 or bfloat16.</summary>
    public WeightType Type { get; }

    /// <inheritdoc/>
    public override int InnerCount { get; }

    /// <inheritdoc/>
    public override int ColumnCount { get; }

    /// <inheritdoc/>
    public override int PanelWidth => _panelWidth;

    /// <inheritdoc/>
    public override long Bytes => ((long)sizeof(float) * (_values.Count + _bias.Count))
        + (sizeof(double) * (long)(_means?.Length ?? 0));

    /// <summary>Floats of scratch memory that <see cref="Panel"/> needs: 0 for weights in float32.</summary>
    public int ScratchCount => ScratchCountOf(InnerCount);

    private int ElementBytes => Type == WeightType.Float32 ? sizeof(float) : sizeof(ushort);

    /// <summary>The stored width of a panel, padding included.</summary>
    public int WidthOf(int panel) => panel == PanelCount - 1 ? _lastWidth : _panelWidth;

    /// <summary>A panel in float32.</summary>
    /// <param name="panel">The panel.</param>
    /// <param name="scratch"><see cref="ScratchCount"/> floats, which receive the panel unless it is in memory in
    /// float32.</param>
    public float* Panel(int panel, float* scratch = null) => Rows(panel, 0, InnerCount, scratch);

    /// <summary>Consecutive rows of a panel in float32.</summary>
    /// <param name="panel">The panel.</param>
    /// <param name="first">The first row.</param>
    /// <param name="count">The number of rows.</param>
    /// <param name="scratch"><see cref="ScratchCountOf"/> floats, which receive the rows unless they are in memory in
    /// float32.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public float* Rows(int panel, int first, int count, float* scratch)
    {
        if (Type == WeightType.Float32)
            return _values.Pointer + StartOf(panel, first);
        ArgumentNullException.ThrowIfNull(scratch);
        int width = WidthOf(panel);
        ReadOnlySpan<ushort> source = new((ushort*)_values.Pointer + StartOf(panel, first), count * width);
        Span<float> values = new(scratch, source.Length);
        if (Type == WeightType.Float16)
            Widening.OfFloat16(source, values);
        else
            Widening.OfBFloat16(source, values);
        if (_means is { } means)
            for (int row = 0; row < count; row++)
                SpanMath.Subtract(values.Slice(row * width, ColumnsOf(panel)), means[first + row]);
        return scratch;
    }

    /// <summary>Floats of scratch memory that <see cref="Rows"/> needs for <paramref name="rowCount"/> rows.</summary>
    public int ScratchCountOf(int rowCount) => Type == WeightType.Float32 ? 0 : checked(_panelWidth * rowCount);

    /// <summary>The memory of consecutive rows of a panel.</summary>
    public PanelMemory Memory(int panel, int first, int count)
        => new((float*)((byte*)_values.Pointer + (StartOf(panel, first) * ElementBytes)),
            (nint)count * WidthOf(panel) * ElementBytes);

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
    /// <param name="weight">W.</param>
    /// <param name="bias">b; empty for zero.</param>
    /// <param name="storage">Whether weights of 16 bits keep them.</param>
    public static PackedMatrix FromTransposed<TSimd, TVector>(WeightTensor weight, ReadOnlySpan<float> bias,
        WeightStorage storage = WeightStorage.Float32)
        where TSimd : struct, ISimd<TVector>
    {
        WeightType type = weight.TypeIn(storage);
        PackedMatrix packed = Create<TSimd, TVector>(weight.Rows, weight.Columns, bias, type);
        if (type == WeightType.Float32)
            packed.Fill<float>(weight.ReadStored, weight.IsStoredTransposed);
        else
            packed.Fill<ushort>(weight.ReadStored, weight.IsStoredTransposed);
        return packed;
    }

    /// <inheritdoc/>
    public override void CopyWeightTo(float* destination)
    {
        float* scratch = stackalloc float[ScratchCountOf(BlockRows)];
        for (int panel = 0; panel < PanelCount; panel++)
        {
            for (int row = 0; row < InnerCount; row += BlockRows)
            {
                int count = Math.Min(BlockRows, InnerCount - row);
                Transposition.Run(Rows(panel, row, count, scratch), WidthOf(panel), count, ColumnsOf(panel),
                    destination + ((nint)panel * _panelWidth * InnerCount) + row, InnerCount);
            }
        }
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
        float* scratch = stackalloc float[ScratchCountOf(BlockRows)];
        float* row = null;
        for (int k = 0; k < InnerCount; k++, row += width)
        {
            if (k % BlockRows == 0)
                row = Rows(panel, k, Math.Min(BlockRows, InnerCount - k), scratch);
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
    /// <returns>Whether all differences are within the range of float32. If not, the matrix cannot be used, unless it
    /// has 16 bits: those are unchanged.</returns>
    public bool TrySubtractMeans()
    {
        int isFinite = 1;
        double[] means = new double[InnerCount];
        Parallel.For(0, (InnerCount + BlockRows - 1) / BlockRows, block =>
        {
            int first = block * BlockRows;
            int count = Math.Min(BlockRows, InnerCount - first);
            float* scratch = stackalloc float[ScratchCountOf(BlockRows)];
            for (int panel = 0; panel < PanelCount; panel++)
            {
                float* rows = Rows(panel, first, count, scratch);
                for (int row = 0; row < count; row++)
                {
                    double sum = means[first + row];
                    foreach (float value in RowOf(rows, row, panel))
                        sum += value;
                    means[first + row] = sum;
                }
            }

            for (int row = first; row < first + count; row++)
                means[row] /= ColumnCount;
            for (int panel = 0; panel < PanelCount; panel++)
            {
                float* rows = Rows(panel, first, count, scratch);
                for (int row = 0; row < count; row++)
                {
                    Span<float> values = RowOf(rows, row, panel);
                    SpanMath.Subtract(values, means[first + row]);
                    if (!SpanMath.AreFinite(values))
                        Volatile.Write(ref isFinite, 0);
                }
            }
        });
        if (isFinite != 0 && Type != WeightType.Float32)
            _means = means;
        return isFinite != 0;
    }

    /// <summary>A row of rows of a panel, without padding.</summary>
    private Span<float> RowOf(float* rows, int row, int panel)
        => new(rows + ((nint)row * WidthOf(panel)), ColumnsOf(panel));

    /// <summary>Elements before a row of a panel.</summary>
    private nint StartOf(int panel, int row)
        => ((nint)(_firstPanel + panel) * _panelWidth * InnerCount) + ((nint)row * WidthOf(panel));

    private static PackedMatrix Create<TSimd, TVector>(int columnCount, int innerCount, ReadOnlySpan<float> bias,
        WeightType type = WeightType.Float32)
        where TSimd : struct, ISimd<TVector>
    {
        int panelWidth = MicroKernel<TSimd, TVector>.PanelWidth;
        int lastColumns = ((columnCount - 1) % panelWidth) + 1;
        PackedMatrix packed = new(innerCount, columnCount, panelWidth,
            MicroKernel<TSimd, TVector>.TileWidth(lastColumns), type);
        bias.CopyTo(packed._bias.Span);
        return packed;
    }

    /// <summary>Fills the panels from a checkpoint.</summary>
    /// <param name="read">Reads stored elements.</param>
    /// <param name="isStoredTransposed">Whether the checkpoint stores Wᵀ.</param>
    private void Fill<T>(ElementReading<T> read, bool isStoredTransposed)
        where T : unmanaged
    {
        if (isStoredTransposed)
            FillFromStored(read);
        else
            FillFromRows(read);
    }

    private void FillFromRows<T>(ElementReading<T> read)
        where T : unmanaged
        => ParallelReading.For<T>(PanelCount, _panelWidth * InnerCount, (panel, rows) =>
        {
            read((long)panel * _panelWidth * InnerCount, rows.AsSpan(0, ColumnsOf(panel) * InnerCount));
            fixed (T* source = rows)
                FillPanel(panel, source);
        });

    /// <summary>Fills the panels from a checkpoint that stores Wᵀ, [inner, columns]. The rows of the panels are
    /// parts of the stored rows, which are read in blocks.</summary>
    private void FillFromStored<T>(ElementReading<T> read)
        where T : unmanaged
    {
        const int BlockElementCount = 1 << 16;
        int rowCount = Math.Clamp(BlockElementCount / ColumnCount, 1, InnerCount);
        ParallelReading.For<T>((InnerCount + rowCount - 1) / rowCount, rowCount * ColumnCount, (block, rows) =>
        {
            int first = block * rowCount;
            int count = Math.Min(rowCount, InnerCount - first);
            read((long)first * ColumnCount, rows.AsSpan(0, count * ColumnCount));
            for (int panel = 0; panel < PanelCount; panel++)
            {
                for (int row = 0; row < count; row++)
                {
                    rows.AsSpan((row * ColumnCount) + (panel * _panelWidth), ColumnsOf(panel)).CopyTo(
                        new Span<T>((T*)_values.Pointer + StartOf(panel, first + row), ColumnsOf(panel)));
                }
            }
        });
    }

    /// <summary>Transposes rows of W into a panel.</summary>
    /// <param name="panel">The panel.</param>
    /// <param name="source">The rows of W that are the columns of the panel.</param>
    private void FillPanel<T>(int panel, T* source)
        where T : unmanaged
        => Transposition.Run(source, InnerCount, ColumnsOf(panel), InnerCount,
            (T*)_values.Pointer + StartOf(panel, 0), WidthOf(panel));

    private delegate void ElementReading<T>(long firstElement, Span<T> destination);
}
