namespace MsResampler.Model;

/// <summary>The windows of one scope on one patch grid: a range of patch rows for every query row and a range of
/// patch columns for every query column. A query attends to the product of its two ranges.</summary>
public sealed class ScopeWindows
{
    private ScopeWindows(PatchGrid grid, AxisRange[] rows, AxisRange[] columns)
    {
        Grid = grid;
        Rows = rows;
        Columns = columns;
    }

    /// <summary>The patch grid.</summary>
    public PatchGrid Grid { get; }

    /// <summary>The range of patch rows of each query row.</summary>
    public IReadOnlyList<AxisRange> Rows { get; }

    /// <summary>The range of patch columns of each query column.</summary>
    public IReadOnlyList<AxisRange> Columns { get; }

    /// <summary>Whether every query attends to every patch.</summary>
    public bool IsDense => Rows.All(range => range.Count == Grid.Rows)
        && Columns.All(range => range.Count == Grid.Columns);

    /// <summary>The number of pairs of a query and a patch in its window.</summary>
    public long PairCount => Rows.Sum(range => (long)range.Count) * Columns.Sum(range => (long)range.Count);

    /// <summary>Computes the windows of <paramref name="scope"/> for <paramref name="queries"/> on
    /// <paramref name="grid"/>.</summary>
    public static ScopeWindows Resolve(ScopeConfig scope, QueryGrid queries, PatchGrid grid)
    {
        ArgumentNullException.ThrowIfNull(scope);
        return new ScopeWindows(grid, Axis(scope, scope.Window?.Rows, queries.Rows, grid.Rows),
            Axis(scope, scope.Window?.Columns, queries.Columns, grid.Columns));
    }

    private static AxisRange[] Axis(ScopeConfig scope, double? window, int queryCount, int patchCount)
    {
        AxisRange[] ranges = new AxisRange[queryCount];
        for (int query = 0; query < queryCount; query++)
            ranges[query] = window is not { } extent
                ? new AxisRange(0, patchCount)
                : ScopeGeometry.Window(query, queryCount, patchCount,
                    ScopeGeometry.WindowExtent(scope.Units, extent, patchCount), scope.Border);
        return ranges;
    }
}
