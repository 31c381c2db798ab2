namespace MsResampler.Model;

/// <summary>The grid on which the learned queries are laid out, row-major: query (qi, qj) is row
/// <c>qi·Columns + qj</c>.</summary>
/// <param name="Rows">gh, the number of query rows; at least 1.</param>
/// <param name="Columns">gw, the number of query columns; at least 1.</param>
public readonly record struct QueryGrid(int Rows, int Columns)
{
    /// <summary>M = gh·gw, the number of queries and so of visual tokens per image.</summary>
    public int QueryCount => checked(Rows * Columns);

    /// <inheritdoc/>
    public override string ToString() => $"{Rows}x{Columns}";
}
