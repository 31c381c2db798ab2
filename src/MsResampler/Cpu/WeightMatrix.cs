namespace MsResampler.Cpu;

/// <summary>The right operand of a matrix product <c>x·Wᵀ + b</c>, packed in panels of columns for the kernel that
/// multiplies it.</summary>
internal abstract unsafe class WeightMatrix
{
    /// <summary>The inner dimension of the product: columns of W.</summary>
    public abstract int InnerCount { get; }

    /// <summary>Columns of the product: rows of W.</summary>
    public abstract int ColumnCount { get; }

    /// <summary>Columns of a whole panel.</summary>
    public abstract int PanelWidth { get; }

    public int PanelCount => (ColumnCount + PanelWidth - 1) / PanelWidth;

    /// <summary>Memory in bytes, which parts of the matrix share.</summary>
    public abstract long Bytes { get; }

    /// <summary>The bias, one float per column.</summary>
    public abstract ReadOnlySpan<float> BiasValues { get; }

    /// <summary>The number of columns of a panel, without padding.</summary>
    public int ColumnsOf(int panel) => Math.Min(PanelWidth, ColumnCount - (panel * PanelWidth));

    /// <summary>Writes W, [columns, inner] row-major.</summary>
    public abstract void CopyWeightTo(float* destination);

    /// <summary>W·x in double precision, one value per column.</summary>
    public abstract double[] Multiply(ReadOnlySpan<double> vector);

    /// <summary>Sets the bias, rounded to float32.</summary>
    /// <returns>Whether all values are within the range of float32.</returns>
    public abstract bool TrySetBias(ReadOnlySpan<double> values);
}
