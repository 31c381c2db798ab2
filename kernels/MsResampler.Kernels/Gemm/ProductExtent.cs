namespace MsResampler.Kernels.Gemm;

/// <summary>The extents of equal matrix products in one launch.</summary>
/// <param name="Count">Products.</param>
/// <param name="Rows">Rows of C.</param>
/// <param name="Columns">Columns of C.</param>
/// <param name="Inner">The length of a row of A and W.</param>
internal readonly record struct ProductExtent(int Count, int Rows, int Columns, int Inner)
{
    /// <summary>Multiplications and additions.</summary>
    public double Flops => 2.0 * Count * Rows * Columns * Inner;

    public override string ToString() => $"{(Count == 1 ? "" : $"{Count}×")}{Rows}×{Columns}×{Inner}";
}
