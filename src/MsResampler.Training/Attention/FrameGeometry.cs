using MsResampler.Cpu;
using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Training.Attention;

/// <summary>What attention of one scope on one patch grid needs apart from weights. It may be kept for any number of
/// steps and used by many threads.</summary>
internal sealed unsafe class FrameGeometry
{
    /// <summary>Values per query along one axis: <see cref="LaneAxis"/>.</summary>
    private const int AxisValues = 4;

    /// <summary>Tables per tile: four values along the rows, four along the columns, and the index of the
    /// query.</summary>
    private const int TableCount = (2 * AxisValues) + 1;

    private readonly QueryAxis[] _rows;
    private readonly QueryAxis[] _columns;
    private readonly AlignedBuffer _lanes;
    private readonly nint[] _firstLane;

    /// <param name="scope">The scope.</param>
    /// <param name="config">The model.</param>
    /// <param name="grid">The patch grid.</param>
    /// <param name="costs">The costs by which tiles of queries are chosen.</param>
    public FrameGeometry(ScopeConfig scope, ResamplerConfig config, PatchGrid grid, CostModel costs)
    {
        ResamplerConfig single = config with { Scopes = [scope], ShareKeyValues = false, Gate = null };
        ScopePlan plan = new Planner(single, hasKeyValueInput: false, costs, _ => ScopeStrategy.All[0]).Plan(grid)
            .Scopes[0];
        Windows = plan.Windows;
        Tiles = plan.Tiles;
        QueryGrid queries = config.QueryGrid;
        ScopeBias bias = new(scope, Windows, queries, logSigma: null);
        IsMask = bias.IsMask;
        _rows = [.. Enumerable.Range(0, queries.Rows).Select(bias.RowAxis)];
        _columns = [.. Enumerable.Range(0, queries.Columns).Select(bias.ColumnAxis)];
        LaneCount = Tiles.Max(tile => tile.LaneCount);
        KeyRowCount = Tiles.Max(tile => tile.KeyRows.Count);
        KeyColumnCount = Tiles.Max(tile => tile.KeyColumns.Count);
        _firstLane = new nint[Tiles.Count];
        for (int tile = 1; tile < Tiles.Count; tile++)
            _firstLane[tile] = _firstLane[tile - 1] + (TableCount * Tiles[tile - 1].LaneCount);
        _lanes = new AlignedBuffer(_firstLane[^1] + (TableCount * Tiles[^1].LaneCount));
        for (int tile = 0; tile < Tiles.Count; tile++)
            FillLanes(tile, queries.Columns);
    }

    /// <summary>The patch grid.</summary>
    public PatchGrid Grid => Windows.Grid;

    /// <summary>The window of each query.</summary>
    public ScopeWindows Windows { get; }

    /// <summary>Whether the bias is 0 at every patch of a window.</summary>
    public bool IsMask { get; }

    /// <summary>The tiles of queries, each with its rectangle of patches.</summary>
    public IReadOnlyList<QueryTile> Tiles { get; }

    /// <summary>Lanes of the widest tile.</summary>
    public int LaneCount { get; }

    /// <summary>Rows of the highest rectangle of patches.</summary>
    public int KeyRowCount { get; }

    /// <summary>Columns of the widest rectangle of patches.</summary>
    public int KeyColumnCount { get; }

    /// <summary>Windows and anchors of the query rows.</summary>
    public ReadOnlySpan<QueryAxis> Rows => _rows;

    /// <summary>Windows and anchors of the query columns.</summary>
    public ReadOnlySpan<QueryAxis> Columns => _columns;

    /// <summary>Windows and anchors of the queries of a tile along the rows. The pointers are valid while this object
    /// is reachable.</summary>
    public LaneAxis RowsOf(int tile) => new(Lanes(tile), Tiles[tile].LaneCount, (int)_rows[0].Unit);

    /// <summary>Windows and anchors of the queries of a tile along the columns, like <see cref="RowsOf"/>.</summary>
    public LaneAxis ColumnsOf(int tile)
        => new(Lanes(tile) + (AxisValues * Tiles[tile].LaneCount), Tiles[tile].LaneCount, (int)_columns[0].Unit);

    /// <summary>The index of each query of a tile in the model's order. The pointer is valid while this object is
    /// reachable.</summary>
    public int* QueriesOf(int tile) => (int*)(Lanes(tile) + (2 * AxisValues * Tiles[tile].LaneCount));

    private float* Lanes(int tile) => _lanes.Pointer + _firstLane[tile];

    private void FillLanes(int index, int gridColumns)
    {
        QueryTile tile = Tiles[index];
        for (int lane = 0; lane < tile.LaneCount; lane++)
        {
            // Lanes without a query repeat the last one: their biases are finite, and their results are not used.
            int query = tile.QueryIndex(Math.Min(lane, tile.QueryCount - 1), gridColumns);
            (int row, int column) = Math.DivRem(query, gridColumns);
            RowsOf(index).Set(lane, _rows[row]);
            ColumnsOf(index).Set(lane, _columns[column]);
            QueriesOf(index)[lane] = query;
        }
    }
}
