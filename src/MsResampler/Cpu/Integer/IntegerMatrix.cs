using System.Buffers;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using MsResampler.Model;

namespace MsResampler.Cpu.Integer;

/// <summary>The right operand of an integer product and a bias, in the order in which a kernel reads them: consecutive
/// panels of columns, the last padded with zero columns. A panel is [steps, panel width], where an element holds the
/// weights of one column in one step, see <see cref="IntegerKernel"/>. Without a bias, the bias is zero.</summary>
internal sealed unsafe class IntegerMatrix : WeightMatrix
{
    private readonly AlignedBuffer _values;
    private readonly AlignedBuffer _scales;
    private readonly AlignedBuffer _sums;
    private readonly AlignedBuffer _bias;
    private readonly AlignedBuffer? _inverseSmoothing;
    private readonly int _firstPanel;

    private IntegerMatrix(int columnCount, int innerCount, IntegerType type, IntegerKernel kernel,
        ReadOnlySpan<float> bias, AlignedBuffer? inverseSmoothing)
    {
        if (innerCount > IntegerTypes.MaxInnerCount)
        {
            throw new ArgumentOutOfRangeException(nameof(innerCount), $"an integer product of {innerCount} terms: " +
                $"expected at most {IntegerTypes.MaxInnerCount}, because the sums are 32-bit integers");
        }

        InnerCount = innerCount;
        ColumnCount = columnCount;
        Type = type;
        Kernel = kernel;
        PanelWidth = kernel.PanelWidth;
        StepLength = kernel.StepLength(type);
        StepCount = IntegerRows.StepCountOf(innerCount, type, kernel);
        PanelBytes = (nint)StepCount * PanelWidth * kernel.StepBytes(type);
        int paddedCount = PanelCount * PanelWidth;
        _values = AlignedBuffer.OfBytes(PanelCount * PanelBytes);
        _scales = new AlignedBuffer(paddedCount);
        _sums = AlignedBuffer.OfBytes(sizeof(int) * (long)paddedCount);
        _bias = new AlignedBuffer(paddedCount);
        bias.CopyTo(_bias.Span);
        _inverseSmoothing = inverseSmoothing;
    }

    /// <summary>Whole panels of another matrix.</summary>
    private IntegerMatrix(IntegerMatrix matrix, int firstPanel, int columnCount)
    {
        InnerCount = matrix.InnerCount;
        ColumnCount = columnCount;
        Type = matrix.Type;
        Kernel = matrix.Kernel;
        PanelWidth = matrix.PanelWidth;
        StepLength = matrix.StepLength;
        StepCount = matrix.StepCount;
        PanelBytes = matrix.PanelBytes;
        _values = matrix._values;
        _scales = matrix._scales;
        _sums = matrix._sums;
        _bias = matrix._bias;
        _inverseSmoothing = matrix._inverseSmoothing;
        _firstPanel = matrix._firstPanel + firstPanel;
    }

    /// <inheritdoc/>
    public override int InnerCount { get; }

    /// <inheritdoc/>
    public override int ColumnCount { get; }

    /// <summary>The stored width of every panel, padding included.</summary>
    public override int PanelWidth { get; }

    /// <summary>The kernel for which the weights are packed.</summary>
    public IntegerKernel Kernel { get; }

    public IntegerType Type { get; }

    /// <summary>Steps of a panel, see <see cref="IntegerTile.StepCount"/>.</summary>
    public int StepCount { get; }

    /// <inheritdoc/>
    public override long Bytes => sizeof(float)
        * ((long)_values.Count + _scales.Count + _sums.Count + _bias.Count + (_inverseSmoothing?.Count ?? 0));

    /// <summary>The factors of the activations, one per row of this matrix; null for 1.</summary>
    public float* InverseSmoothing => _inverseSmoothing is null ? null : _inverseSmoothing.Pointer;

    /// <inheritdoc/>
    public override ReadOnlySpan<float> BiasValues => _bias.Span.Slice(_firstPanel * PanelWidth, ColumnCount);

    private int StepLength { get; }

    private nint PanelBytes { get; }

    public void* Panel(int panel) => (byte*)_values.Pointer + ((_firstPanel + panel) * PanelBytes);

    /// <summary>The scale of each column of a panel.</summary>
    public float* Scales(int panel) => _scales.Pointer + ((nint)(_firstPanel + panel) * PanelWidth);

    /// <summary>The sum of the integers of each column of a panel.</summary>
    public int* Sums(int panel) => (int*)_sums.Pointer + ((nint)(_firstPanel + panel) * PanelWidth);

    public float* Bias(int panel) => _bias.Pointer + ((nint)(_firstPanel + panel) * PanelWidth);

    /// <summary>Quantises and packs Wᵀ for <c>x·Wᵀ + b</c>.</summary>
    /// <param name="weight">W, [columns of the product, inner] row-major.</param>
    /// <param name="columnCount">Rows of W.</param>
    /// <param name="innerCount">Columns of W, at most <see cref="IntegerTypes.MaxInnerCount"/>.</param>
    /// <param name="type">The type of the integers.</param>
    /// <param name="kernel">The kernel that multiplies.</param>
    /// <param name="bias">b; empty for zero.</param>
    /// <param name="smoothing">Positive factors of the columns of W. Activations are divided by them, see
    /// <see cref="InverseSmoothing"/>, so that the product stays the same. Empty for 1.</param>
    public static IntegerMatrix FromWeights(ReadOnlySpan<float> weight, int columnCount, int innerCount,
        IntegerType type, IntegerKernel kernel, ReadOnlySpan<float> bias = default,
        ReadOnlySpan<float> smoothing = default)
    {
        IntegerMatrix packed = new(columnCount, innerCount, type, kernel, bias, Inverse(smoothing));
        float[] factors = smoothing.ToArray();
        fixed (float* source = weight)
        {
            nint address = (nint)source;
            Parallel.For(0, packed.PanelCount, panel => packed.FillPanel(panel,
                (float*)address + ((nint)panel * packed.PanelWidth * innerCount), factors));
        }

        return packed;
    }

    /// <summary>Packs Wᵀ of a checkpoint, quantised unless integers are stored. W is read in parts, so that it is never
    /// in memory in floats.</summary>
    /// <inheritdoc cref="FromWeights(ReadOnlySpan{float}, int, int, IntegerType, IntegerKernel, ReadOnlySpan{float},
    /// ReadOnlySpan{float})"/>
    public static IntegerMatrix FromWeights(WeightTensor weight, IntegerType type, IntegerKernel kernel,
        ReadOnlySpan<float> bias, ReadOnlySpan<float> smoothing = default)
    {
        IntegerMatrix packed = new(weight.Rows, weight.Columns, type, kernel, bias, Inverse(smoothing));
        float[] factors = smoothing.ToArray();
        if (weight.IsStoredTransposed)
            packed.FillFromStored(weight, factors);
        else
            packed.FillFromRows(weight, factors);
        return packed;
    }

    /// <summary>A part of the columns and their bias: in the memory of this matrix if the columns are whole panels,
    /// otherwise a copy.</summary>
    /// <param name="first">The first column.</param>
    /// <param name="count">The number of columns.</param>
    public IntegerMatrix Columns(int first, int count)
    {
        if (first % PanelWidth == 0 && count % PanelWidth == 0)
            return new IntegerMatrix(this, first / PanelWidth, count);
        IntegerMatrix packed = new(count, InnerCount, Type, Kernel, BiasValues.Slice(first, count), _inverseSmoothing);
        int stepBytes = Kernel.StepBytes(Type);
        for (int column = 0; column < count; column++)
        {
            (int panel, int from) = Math.DivRem(first + column, PanelWidth);
            (int targetPanel, int to) = Math.DivRem(column, PanelWidth);
            byte* source = (byte*)Panel(panel) + (from * stepBytes);
            byte* target = (byte*)packed.Panel(targetPanel) + (to * stepBytes);
            for (nint step = 0, size = (nint)PanelWidth * stepBytes; step < StepCount; step++)
                Unsafe.CopyBlockUnaligned(target + (step * size), source + (step * size), (uint)stepBytes);
            packed.Scales(targetPanel)[to] = Scales(panel)[from];
            packed.Sums(targetPanel)[to] = Sums(panel)[from];
        }

        return packed;
    }

    /// <summary>Writes W, [columns, inner] row-major, as the integers represent it.</summary>
    public override void CopyWeightTo(float* destination)
    {
        for (int panel = 0; panel < PanelCount; panel++)
        {
            for (int column = 0; column < ColumnsOf(panel); column++)
            {
                float* row = destination + ((((nint)panel * PanelWidth) + column) * InnerCount);
                float scale = Scales(panel)[column];
                for (int k = 0; k < InnerCount; k++)
                    row[k] = Integer(panel, k, column) * scale;
                if (InverseSmoothing != null)
                {
                    Span<float> values = new(row, InnerCount);
                    TensorPrimitives.Multiply(values, _inverseSmoothing!.Span, values);
                }
            }
        }
    }

    /// <summary>W·x in double precision, with W as the integers represent it, one value per column.</summary>
    public override double[] Multiply(ReadOnlySpan<double> vector)
    {
        double[] result = new double[ColumnCount];
        if (!vector.ContainsAnyExcept(0))
            return result;
        double[] factors = vector.ToArray();
        for (int k = 0; InverseSmoothing != null && k < InnerCount; k++)
            factors[k] *= InverseSmoothing[k];
        Parallel.For(0, PanelCount, panel =>
        {
            Span<double> sums = result.AsSpan(panel * PanelWidth, ColumnsOf(panel));
            for (int k = 0; k < factors.Length; k++)
            {
                for (int column = 0; column < sums.Length; column++)
                    sums[column] += factors[k] * Integer(panel, k, column);
            }

            for (int column = 0; column < sums.Length; column++)
                sums[column] *= Scales(panel)[column];
        });
        return result;
    }

    /// <inheritdoc/>
    public override bool TrySetBias(ReadOnlySpan<double> values)
    {
        TensorPrimitives.ConvertTruncating(values, _bias.Span.Slice(_firstPanel * PanelWidth, ColumnCount));
        return TensorPrimitives.IsFiniteAll(BiasValues);
    }

    private static AlignedBuffer? Inverse(ReadOnlySpan<float> smoothing)
    {
        if (smoothing.IsEmpty)
            return null;
        AlignedBuffer inverse = new(smoothing.Length);
        TensorPrimitives.Divide(1, smoothing, inverse.Span);
        return inverse;
    }

    /// <summary>The integer of row <paramref name="k"/> of a panel.</summary>
    private int Integer(int panel, int k, int column)
    {
        nint index = ((((nint)k / StepLength * PanelWidth) + column) * StepLength) + (k % StepLength);
        return Type == IntegerType.Int8 ? ((sbyte*)Panel(panel))[index] : ((short*)Panel(panel))[index];
    }

    private void FillFromRows(WeightTensor weight, float[] smoothing)
        => ParallelReading.For<float>(PanelCount, PanelWidth * InnerCount, (panel, rows) =>
        {
            int firstRow = panel * PanelWidth;
            int count = ColumnsOf(panel) * InnerCount;
            if (smoothing.Length == 0 && weight.StoredIntegers is not null)
            {
                short[] integers = ArrayPool<short>.Shared.Rent(count);
                bool isRead = weight.TryReadIntegers(Type, firstRow, integers.AsSpan(0, count),
                    new Span<float>(Scales(panel), ColumnsOf(panel)));
                if (isRead)
                    Pack(panel, integers);
                ArrayPool<short>.Shared.Return(integers);
                if (isRead)
                    return;
            }

            weight.ReadRows(firstRow, rows.AsSpan(0, count));
            fixed (float* source = rows)
                FillPanel(panel, source, smoothing);
        });

    /// <summary>Fills the panels from a checkpoint that stores Wᵀ, [inner, columns]. A part is a strip of columns,
    /// because the scale of a column depends on all its weights.</summary>
    private void FillFromStored(WeightTensor weight, float[] smoothing)
    {
        // Each row of a strip is read separately: wide strips make few reads, narrow ones little memory.
        const int StripElementCount = 1 << 19;
        int panelCount = Math.Clamp(StripElementCount / (PanelWidth * InnerCount), 1, PanelCount);
        int stripWidth = panelCount * PanelWidth;
        int stripCount = (PanelCount + panelCount - 1) / panelCount;
        ParallelReading.For<float>(stripCount, stripWidth * InnerCount, (strip, values) =>
        {
            int firstColumn = strip * stripWidth;
            int width = Math.Min(stripWidth, ColumnCount - firstColumn);
            for (int k = 0; k < InnerCount; k++)
                weight.ReadStored(((long)k * ColumnCount) + firstColumn, values.AsSpan(k * width, width));
            float[] rows = ArrayPool<float>.Shared.Rent(PanelWidth * InnerCount);
            for (int column = 0; column < width; column += PanelWidth)
            {
                int panel = (firstColumn + column) / PanelWidth;
                for (int k = 0; k < InnerCount; k++)
                    for (int r = 0; r < ColumnsOf(panel); r++)
                        rows[(r * InnerCount) + k] = values[(k * width) + column + r];
                fixed (float* source = rows)
                    FillPanel(panel, source, smoothing);
            }

            ArrayPool<float>.Shared.Return(rows);
        });
    }

    /// <summary>Quantises rows of W and packs them into a panel.</summary>
    /// <param name="panel">The panel.</param>
    /// <param name="source">The rows of W that are the columns of the panel.</param>
    /// <param name="smoothing">Factors of the columns of W; empty for 1.</param>
    private void FillPanel(int panel, float* source, ReadOnlySpan<float> smoothing)
    {
        int columns = ColumnsOf(panel);
        int level = Type.MaxLevel(InnerCount);
        float[] row = ArrayPool<float>.Shared.Rent(InnerCount);
        short[] integers = ArrayPool<short>.Shared.Rent(columns * InnerCount);
        for (int column = 0; column < columns; column++)
        {
            ReadOnlySpan<float> weights = new(source + ((nint)column * InnerCount), InnerCount);
            if (!smoothing.IsEmpty)
            {
                TensorPrimitives.Multiply(weights, smoothing, row);
                weights = row.AsSpan(0, InnerCount);
            }

            Scales(panel)[column] = WeightQuantiser.Quantise(weights, level,
                integers.AsSpan(column * InnerCount, InnerCount));
        }

        Pack(panel, integers);
        ArrayPool<short>.Shared.Return(integers);
        ArrayPool<float>.Shared.Return(row);
    }

    /// <summary>Packs integers, [columns of the panel, inner], and sets their sums.</summary>
    private void Pack(int panel, ReadOnlySpan<short> integers)
    {
        int columns = ColumnsOf(panel);
        for (int column = 0; column < columns; column++)
            Sums(panel)[column] = Sum(integers.Slice(column * InnerCount, InnerCount));
        if (Type == IntegerType.Int8)
            Pack(integers, columns, (sbyte*)Panel(panel));
        else
            Pack(integers, columns, (short*)Panel(panel));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int Sum(ReadOnlySpan<short> integers)
    {
        int sum = 0;
        foreach (short integer in integers)
            sum += integer;
        return sum;
    }

    /// <summary>Packs integers, [<paramref name="columns"/>, inner], into the steps of a panel.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Pack<T>(ReadOnlySpan<short> integers, int columns, T* panel)
        where T : unmanaged, System.Numerics.INumberBase<T>
    {
        int stepLength = StepLength;
        int stepWidth = PanelWidth * stepLength;
        for (int k = 0; k < InnerCount; k += stepLength, panel += stepWidth)
        {
            int length = Math.Min(stepLength, InnerCount - k);
            for (int column = 0; column < columns; column++)
                for (int r = 0; r < length; r++)
                    panel[(column * stepLength) + r] = T.CreateTruncating(integers[(column * InnerCount) + k + r]);
        }
    }
}
