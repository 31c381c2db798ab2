namespace MsResampler.Cpu;

/// <summary>Positions that the keys of one grid add to Z. One half of a sine–cosine embedding depends on the
/// column alone and the other half on the row alone, so two small tables replace N·D values. A resized table is
/// stored whole.</summary>
internal sealed class KeyPositions
{
    private readonly int _columnCount;
    private readonly PositionTable? _rows;
    private readonly PositionTable? _columns;
    private readonly PositionTable? _patches;

    /// <summary>A sine–cosine embedding.</summary>
    /// <param name="grid">The patch grid.</param>
    /// <param name="rows">Positions along an axis, at least as many as the grid has rows.</param>
    /// <param name="columns">Positions along an axis, at least as many as the grid has columns.</param>
    public KeyPositions(PatchGrid grid, PositionTable rows, PositionTable columns)
    {
        _columnCount = grid.Columns;
        _rows = rows;
        _columns = columns;
    }

    /// <summary>A resized table.</summary>
    public KeyPositions(PositionTable patches) => _patches = patches;

    /// <summary>Adds the position of a patch to its row of Z, [D].</summary>
    public void AddTo(ReadOnlySpan<float> row, int patch, Span<float> destination)
    {
        if (_patches is not null)
        {
            SpanMath.Add(row, _patches.At(patch), destination);
            return;
        }

        (int i, int j) = Math.DivRem(patch, _columnCount);
        ReadOnlySpan<float> column = _columns!.At(j);
        SpanMath.Add(row[..column.Length], column, destination[..column.Length]);
        SpanMath.Add(row[column.Length..], _rows!.At(i), destination[column.Length..]);
    }
}
