namespace MsResampler.Perf.Kernels;

/// <summary>The extents of C[rows, columns] = A[rows, inner]·B[inner, columns].</summary>
internal readonly record struct GemmShape(int Rows, int Inner, int Columns)
{
    /// <summary>The key and value projections of one image of clip-l-336.</summary>
    public static GemmShape KeysAndValues { get; } = new(576, 1024, 2048);

    public double Flops => 2.0 * Rows * Inner * Columns;

    public override string ToString() => $"{Rows}x{Inner}x{Columns}";
}
