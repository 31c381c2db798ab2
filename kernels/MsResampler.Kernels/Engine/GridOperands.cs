using MsResampler.Cpu;
using MsResampler.Kernels.Attention;
using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Kernels.Engine;

/// <summary>What a patch grid needs that does not depend on features, and where it lies in an arena: positions, the
/// bias of every scope, projected queries if they see their anchors, and the schedule of attention.</summary>
internal sealed class GridOperands
{
    /// <summary>Parts of an arena begin at multiples of so many groups of four floats: 256 bytes.</summary>
    private const int PartVectors = 16;

    private readonly ModelLayout _layout;
    private readonly ScopeBias[] _biases;

    /// <param name="layout">The model's layout.</param>
    /// <param name="plan">The grid's plan.</param>
    /// <param name="logSigmas">Learned log sigma of each scope, or null.</param>
    /// <param name="start">Where the grid's part of the arena begins, in groups of four floats.</param>
    public GridOperands(ModelLayout layout, ExecutionPlan plan, double[]?[] logSigmas, long start)
    {
        _layout = layout;
        Plan = plan;
        ResamplerConfig config = layout.Config;
        _biases = [.. plan.Scopes.Select((scope, index) => new ScopeBias(config.Scopes[index], scope.Windows,
            config.QueryGrid, logSigmas[index]))];

        PositionStart = checked((int)start);
        long end = start + (config.PositionEmbedding.Keys ? Round(plan.Grid.PatchCount * layout.Width.Vectors) : 0);
        QueryStart = checked((int)end);
        end += layout.HasAnchoredQueries ? Round(layout.QueryVectors) : 0;
        BiasStart = checked((int)end);
        BiasTables = new BiasTable[plan.Scopes.Count];
        int rowCount = config.QueryGrid.Rows * plan.Grid.Rows;
        int columnCount = config.QueryGrid.Columns * plan.Grid.Columns;
        long bias = 4L * end;
        for (int scope = 0; scope < BiasTables.Length; scope++)
        {
            int headStride = _biases[scope].IsPerHead ? rowCount + columnCount : 0;
            BiasTables[scope] = new BiasTable(checked((int)bias), checked((int)(bias + rowCount)), headStride);
            bias += (long)BiasHeads(scope) * (rowCount + columnCount);
        }

        End = Round((bias + 3) / 4);
        Blocks = [.. plan.Scopes.SelectMany((scope, index) => scope.Tiles.Select(tile => BlockOf(index, tile)))];
    }

    public ExecutionPlan Plan { get; }

    /// <summary>Where positions lie, in groups of four floats.</summary>
    public int PositionStart { get; }

    /// <summary>Where projected queries lie, if they see their anchors; 0 otherwise, where the model's are
    /// used.</summary>
    public int QueryStart { get; }

    /// <summary>Where bias tables lie.</summary>
    public int BiasStart { get; }

    /// <summary>The end of the grid's part.</summary>
    public long End { get; }

    /// <summary>Each scope's tables, counted in floats from the arena's start.</summary>
    public BiasTable[] BiasTables { get; }

    /// <summary>The schedule of one image whose first patch and token are those of the batch.</summary>
    public AttentionBlock[] Blocks { get; }

    /// <summary>What keys add to Z, [N, D] in the device's layout.</summary>
    /// <param name="storedPositions">The table stored on the query grid, or null.</param>
    public float[] Positions(float[]? storedPositions)
    {
        int width = _layout.Width.Size;
        int stride = 4 * _layout.Width.Vectors;
        float[] table = new float[checked((int)(Plan.Grid.PatchCount * stride))];
        KeyPositions positions = storedPositions is null ? KeyPositions.SinCos(Plan.Grid, width)
            : KeyPositions.Resized(storedPositions, _layout.Config.QueryGrid, Plan.Grid, width);
        float[] zeros = new float[width];
        for (int patch = 0; patch < (int)Plan.Grid.PatchCount; patch++)
            positions.AddTo(zeros, patch, table.AsSpan(patch * stride, width));
        return table;
    }

    /// <summary>All bias tables, one after another.</summary>
    public float[] Bias()
    {
        QueryGrid queries = _layout.Config.QueryGrid;
        PatchGrid grid = Plan.Grid;
        AxisRange rows = new(0, grid.Rows);
        AxisRange columns = new(0, grid.Columns);
        float[] bias = new float[4 * (End - BiasStart)];
        for (int scope = 0; scope < _biases.Length; scope++)
        {
            for (int head = 0; head < BiasHeads(scope); head++)
            {
                int start = head * BiasTables[scope].HeadStride - (4 * BiasStart);
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

    private static long Round(long vectorCount) => (vectorCount + PartVectors - 1) / PartVectors * PartVectors;

    private int BiasHeads(int scope) => _biases[scope].IsPerHead ? _layout.Heads.SegmentCount : 1;

    private AttentionBlock BlockOf(int scope, QueryTile tile) => new()
    {
        FirstKey = (tile.KeyRows.Start * Plan.Grid.Columns) + tile.KeyColumns.Start,
        GridColumns = Plan.Grid.Columns,
        KeyColumns = tile.KeyColumns.Count,
        KeyCount = tile.KeyCount,
        QueryRow = tile.QueryRows.Start,
        QueryColumn = tile.QueryColumns.Start,
        TileColumns = tile.QueryColumns.Count,
        QueryCount = tile.QueryCount,
        QueryStart = (_layout.HasAnchoredQueries ? QueryStart : 0)
            + (scope * _layout.QueryCount * _layout.Heads.Vectors),
        Scope = scope,
        KeyScope = _layout.Config.ShareKeyValues ? 0 : scope,
        RowBias = tile.IsFull && !_biases[scope].IsGaussian ? -1 : BiasTables[scope].Rows + tile.KeyRows.Start,
        ColumnBias = BiasTables[scope].Columns + tile.KeyColumns.Start,
        GridRows = Plan.Grid.Rows,
        BiasHeadStride = BiasTables[scope].HeadStride,
    };
}
