using MsResampler.Kernels.Attention;

namespace MsResampler.Kernels.Forward.Float32;

/// <summary>The operands of a patch grid in float32: the positions of patches as the table, the bias of every scope,
/// projected queries if they depend on the grid, and the schedule of attention.</summary>
internal sealed class Float32Grid : GridOperands
{
    private readonly ModelLayout _layout;
    private readonly ScopeBias[] _biases;

    /// <param name="layout">The model's layout.</param>
    /// <param name="plan">The grid's plan.</param>
    /// <param name="logSigmas">Learned log sigma of each scope, or null.</param>
    /// <param name="start">The byte offset of the grid's part of the arena.</param>
    public Float32Grid(ModelLayout layout, ExecutionPlan plan, double[]?[] logSigmas, long start)
        : base(plan)
    {
        _layout = layout;
        ResamplerConfig config = layout.Config;
        _biases = [.. plan.Scopes.Select((scope, index) => new ScopeBias(config.Scopes[index], scope.Windows,
            config.QueryGrid, logSigmas[index]))];

        TableOffset = layout.HasKeyPositions ? start : null;
        TableWidth = layout.Width.PaddedSize;
        QueryOffset = start
            + (TableOffset is null ? 0 : DeviceView.Align(plan.Grid.PatchCount * TableWidth * sizeof(float)));
        BiasOffset = QueryOffset
            + (layout.HasAnchoredQueries ? DeviceView.Align((long)layout.ProjectedQueries * layout.ElementBytes) : 0);
        BiasTables = new BiasTable[plan.Scopes.Count];
        int rowCount = config.QueryGrid.Rows * plan.Grid.Rows;
        int columnCount = config.QueryGrid.Columns * plan.Grid.Columns;
        long bias = BiasOffset / sizeof(float);
        for (int scope = 0; scope < BiasTables.Length; scope++)
        {
            int headStride = _biases[scope].IsPerHead ? rowCount + columnCount : 0;
            BiasTables[scope] = new BiasTable(checked((int)bias), checked((int)(bias + rowCount)), headStride);
            bias += (long)BiasHeads(scope) * (rowCount + columnCount);
        }

        End = DeviceView.Align(bias * sizeof(float));
        Blocks = [.. plan.Scopes.SelectMany((scope, index) => scope.Tiles.Select(tile => BlockOf(index, tile)))];
    }

    /// <summary>The byte offset of the bias tables.</summary>
    public long BiasOffset { get; }

    /// <summary>Each scope's tables.</summary>
    public BiasTable[] BiasTables { get; }

    /// <summary>The schedule of one image whose first patch and token are those of the batch.</summary>
    public TiledBlock[] Blocks { get; }

    /// <summary>All bias tables, one after another.</summary>
    public float[] Bias()
    {
        QueryGrid queries = _layout.Config.QueryGrid;
        PatchGrid grid = Plan.Grid;
        AxisRange rows = new(0, grid.Rows);
        AxisRange columns = new(0, grid.Columns);
        int first = checked((int)(BiasOffset / sizeof(float)));
        float[] bias = new float[(End - BiasOffset) / sizeof(float)];
        for (int scope = 0; scope < _biases.Length; scope++)
        {
            for (int head = 0; head < BiasHeads(scope); head++)
            {
                int start = (head * BiasTables[scope].HeadStride) - first;
                Span<float> rowTable = bias.AsSpan(start + BiasTables[scope].Rows);
                Span<float> columnTable = bias.AsSpan(start + BiasTables[scope].Columns);
                for (int row = 0; row < queries.Rows; row++)
                    _biases[scope].FillRows(row, head, rows, rowTable[(row * grid.Rows)..], 1);
                for (int column = 0; column < queries.Columns; column++)
                    _biases[scope].FillColumns(column, head, columns, columnTable[(column * grid.Columns)..], 1);
            }
        }

        return bias;
    }

    private int BiasHeads(int scope) => _biases[scope].IsPerHead ? _layout.Heads.SegmentCount : 1;

    private TiledBlock BlockOf(int scope, QueryTile tile) => new()
    {
        FirstKey = (tile.KeyRows.Start * Plan.Grid.Columns) + tile.KeyColumns.Start,
        GridColumns = Plan.Grid.Columns,
        KeyColumns = tile.KeyColumns.Count,
        KeyCount = tile.KeyCount,
        QueryRow = tile.QueryRows.Start,
        QueryColumn = tile.QueryColumns.Start,
        TileColumns = tile.QueryColumns.Count,
        QueryCount = tile.QueryCount,
        QueryStart = (_layout.HasAnchoredQueries ? DeviceVector.IndexAt(QueryOffset) : 0)
            + (scope * _layout.QueryCount * DeviceVector.Count(_layout.Heads.PaddedSize, sizeof(float))),
        Scope = scope,
        KeyScope = _layout.Config.ShareKeyValues ? 0 : scope,
        RowBias = tile.IsFull && _biases[scope].IsMask ? -1 : BiasTables[scope].Rows + tile.KeyRows.Start,
        ColumnBias = BiasTables[scope].Columns + tile.KeyColumns.Start,
        GridRows = Plan.Grid.Rows,
        BiasHeadStride = BiasTables[scope].HeadStride,
    };
}

/// <summary>The bias tables of a scope, as indices of floats from the arena's start: row tables [query rows, patch
/// rows] and column tables [query columns, patch columns], one after another for each head.</summary>
/// <param name="Rows">The first row table.</param>
/// <param name="Columns">The first column table.</param>
/// <param name="HeadStride">Floats from one head to the next; 0 if heads share the tables.</param>
internal readonly record struct BiasTable(int Rows, int Columns, int HeadStride);
