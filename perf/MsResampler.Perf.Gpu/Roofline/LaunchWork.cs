
namespace MsResampler.Perf.Roofline;

/// <summary>What one launch of a forward pass has to do: the operations it executes, and the bytes that it cannot but
/// read and write, each once.</summary>
/// <param name="Step">The step of the model.</param>
/// <param name="Flops">Multiplications and additions as executed, what fills up tiles of attention included.</param>
/// <param name="ConstantBytes">Weights and tables, the same in every call.</param>
/// <param name="ReadBytes">Activations that it reads.</param>
/// <param name="WrittenBytes">Activations that it writes.</param>
internal sealed record LaunchWork(string Step, double Flops, double ConstantBytes, double ReadBytes,
    double WrittenBytes)
{
    /// <summary>The extents of its matrix products; null where it has none.</summary>
    public ProductExtent? Product { get; init; }

    /// <summary>Whether its operations are those of matrix products, on tensor cores where the precision uses
    /// them.</summary>
    public bool HasProducts { get; init; }

    /// <summary>All bytes.</summary>
    public double Bytes => ConstantBytes + ReadBytes + WrittenBytes;
}

/// <summary>The extents of equal matrix products in one launch.</summary>
/// <param name="Count">How many.</param>
/// <param name="Rows">Rows of C.</param>
/// <param name="Columns">Columns of C.</param>
/// <param name="Inner">The length of a row of A and W.</param>
internal readonly record struct ProductExtent(int Count, int Rows, int Columns, int Inner)
{
    /// <summary>Multiplications and additions.</summary>
    public double Flops => 2.0 * Count * Rows * Columns * Inner;

    public override string ToString() => $"{(Count == 1 ? "" : $"{Count}×")}{Rows}×{Columns}×{Inner}";
}
