using MsResampler.Model;

namespace MsResampler.Planning;

/// <summary>Makes the <see cref="ExecutionPlan"/> of a patch grid: for every scope the cheaper of projected and
/// absorbed keys and values, and tiles of queries that waste the least work outside their windows.</summary>
/// <param name="config">The model.</param>
/// <param name="hasKeyValueInput">Whether the model has a kv_proj; without it features are used as they are.</param>
/// <param name="costs">The backend's costs.</param>
internal sealed class Planner(ResamplerConfig config, bool hasKeyValueInput, CostModel costs)
{
    // The first is what every backend can do.
    private static readonly (ProjectionStrategy Keys, ProjectionStrategy Values)[] s_options =
    [
        (ProjectionStrategy.Projected, ProjectionStrategy.Projected),
        (ProjectionStrategy.Absorbed, ProjectionStrategy.Projected),
        (ProjectionStrategy.Absorbed, ProjectionStrategy.Absorbed),
    ];

    private double Width => config.HiddenSize;

    private double QueryCount => config.QueryGrid.QueryCount;

    /// <summary>Plans for images of <paramref name="grid"/>.</summary>
    public ExecutionPlan Plan(PatchGrid grid)
    {
        Candidate[] scopes = [.. config.Scopes.Select(scope => Consider(scope, grid))];
        double projection = 2.0 * grid.PatchCount * Width * Width;
        ScopePlan[] plans = [.. scopes.Select(scope =>
        {
            (ProjectionStrategy keys, ProjectionStrategy values) = Cheapest(
                config.ShareKeyValues ? scopes : [scope], projection);
            return scope.ToPlan(keys, values);
        })];
        return new ExecutionPlan(grid, plans, CountStages(grid, plans));
    }

    /// <summary>The cheapest choice for scopes that share their keys and values: a projection is paid once, whoever
    /// reads it.</summary>
    private (ProjectionStrategy Keys, ProjectionStrategy Values) Cheapest(Candidate[] sharers, double projection)
        => s_options.Take(costs.CanAbsorb ? s_options.Length : 1).MinBy(option =>
            sharers.Sum(scope => scope.Cost(option.Keys, option.Values))
            + (option.Keys == ProjectionStrategy.Projected ? projection : 0)
            + (option.Values == ProjectionStrategy.Projected ? projection : 0));

    private Candidate Consider(ScopeConfig scope, PatchGrid grid)
    {
        ScopeWindows windows = ScopeWindows.Resolve(scope, config.QueryGrid, grid);
        (IReadOnlyList<QueryTile> tiles, double tiledCost) = ChooseTiles(windows);
        int headLanes = costs.PaddedLanes(config.AttentionHeadCount);
        int lastWidth = costs.LaneWidth(((headLanes - 1) % costs.LaneWidths[^1]) + 1);
        double pairs = windows.PairCount;
        double absorbedKeys = pairs * headLanes * ((2 * Width) + costs.LogitCost) / costs.Efficiency(lastWidth);
        double rowValues = pairs * 2 * Width / costs.RowEfficiency;
        double absorbedValues = (pairs * 2 * config.AttentionHeadCount * Width / costs.AbsorbedValueEfficiency)
            + (2 * QueryCount * Width * Width);
        double absorbedLogits = pairs * 2 * headLanes * Width;
        return new Candidate(windows, tiles, tiledCost, absorbedKeys, rowValues, absorbedValues,
            tiles.Sum(tile => (double)tile.LaneCount * tile.KeyCount) * 4 * Width,
            absorbedLogits + (pairs * 2 * Width),
            absorbedLogits + (pairs * 2 * config.AttentionHeadCount * Width) + (2 * QueryCount * Width * Width));
    }

    /// <summary>Tries every tile height, with the columns that fit beside it, and keeps the cheapest.</summary>
    private (IReadOnlyList<QueryTile> Tiles, double Cost) ChooseTiles(ScopeWindows windows)
    {
        IReadOnlyList<QueryTile> best = [];
        double bestCost = double.PositiveInfinity;
        foreach (int lanes in costs.LaneWidths)
        {
            for (int rows = 1; rows <= Math.Min(lanes, config.QueryGrid.Rows); rows++)
            {
                int columns = Math.Min(config.QueryGrid.Columns, lanes / rows);
                List<QueryTile> tiles = Cut(windows, rows, columns);
                double cost = tiles.Sum(tile => tile.KeyCount * (double)tile.LaneCount * ((4 * Width) +
                    (config.AttentionHeadCount * costs.LogitCost)) / costs.Efficiency(tile.LaneCount));
                if (cost < bestCost)
                    (best, bestCost) = (tiles, cost);
            }
        }

        return (best, bestCost);
    }

    private List<QueryTile> Cut(ScopeWindows windows, int rowCount, int columnCount)
    {
        List<QueryTile> tiles = [];
        for (int row = 0; row < config.QueryGrid.Rows; row += rowCount)
        {
            AxisRange rows = new(row, Math.Min(row + rowCount, config.QueryGrid.Rows));
            for (int column = 0; column < config.QueryGrid.Columns; column += columnCount)
            {
                AxisRange columns = new(column, Math.Min(column + columnCount, config.QueryGrid.Columns));
                AxisRange keyRows = Union(windows.Rows, rows, out bool areRowsEqual);
                AxisRange keyColumns = Union(windows.Columns, columns, out bool areColumnsEqual);
                tiles.Add(new QueryTile(rows, columns, keyRows, keyColumns, areRowsEqual && areColumnsEqual,
                    costs.LaneWidth(rows.Count * columns.Count)));
            }
        }

        return tiles;
    }

    private static AxisRange Union(IReadOnlyList<AxisRange> ranges, AxisRange queries, out bool areEqual)
    {
        AxisRange union = ranges[queries.Start];
        areEqual = true;
        for (int query = queries.Start + 1; query < queries.End; query++)
        {
            areEqual &= ranges[query] == union;
            union = union.Union(ranges[query]);
        }

        return union;
    }

    private StageCost[] CountStages(PatchGrid grid, ScopePlan[] plans)
    {
        int scopeCount = plans.Length;
        double patches = grid.PatchCount;
        double projection = 2 * patches * Width * Width;
        int distinct = config.ShareKeyValues ? 1 : scopeCount;
        int keys = plans.Take(distinct).Count(plan => plan.Keys == ProjectionStrategy.Projected);
        int values = plans.Take(distinct).Count(plan => plan.Values == ProjectionStrategy.Projected);
        double attention = 4 * QueryCount * patches * Width * scopeCount;
        double queryProjection = 2 * QueryCount * Width * Width * scopeCount;
        double gate = config.Gate is not { } gateConfig ? 0
            : 2 * QueryCount * gateConfig.HiddenSize * scopeCount * (Width + config.GateGroupCount);
        double input = hasKeyValueInput ? 2 * patches * Width * config.VisionHiddenSize : 0;
        double output = 2 * QueryCount * Width * config.OutputSize;
        return
        [
            new("input projection", input, input),
            new("query projection", 0, queryProjection),
            new("key projection", keys * projection, distinct * projection),
            new("value projection", values * projection, distinct * projection),
            new("attention", plans.Sum(plan => plan.AttentionFlops), attention),
            new("branch outputs", queryProjection, queryProjection),
            new("gate", gate, gate),
            new("token projection", output, output),
        ];
    }

    /// <summary>The alternatives of one scope: what each costs, and its operations.</summary>
    private sealed record Candidate(ScopeWindows Windows, IReadOnlyList<QueryTile> Tiles, double TiledCost,
        double AbsorbedKeyCost, double RowValueCost, double AbsorbedValueCost, double TiledFlops, double MixedFlops,
        double AbsorbedFlops)
    {
        public double Cost(ProjectionStrategy keys, ProjectionStrategy values)
            => keys == ProjectionStrategy.Projected ? TiledCost
                : AbsorbedKeyCost + (values == ProjectionStrategy.Projected ? RowValueCost : AbsorbedValueCost);

        public ScopePlan ToPlan(ProjectionStrategy keys, ProjectionStrategy values)
            => keys == ProjectionStrategy.Projected ? new ScopePlan(Windows, keys, values, Tiles, TiledFlops)
                : new ScopePlan(Windows, keys, values, [],
                    values == ProjectionStrategy.Projected ? MixedFlops : AbsorbedFlops);
    }
}
