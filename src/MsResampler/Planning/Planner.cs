using MsResampler.Model;

namespace MsResampler.Planning;

/// <summary>Makes the <see cref="ExecutionPlan"/> of a patch grid. For every scope it chooses projected or
/// absorbed keys and values, and tiles of queries, by their predicted cost.</summary>
/// <param name="config">The model.</param>
/// <param name="hasKeyValueInput">Whether the model has a kv_proj.</param>
/// <param name="costs">The backend's costs.</param>
/// <param name="choose">Selects one of the alternatives; the default selects the cheapest. Tests and measurements
/// use it to force a strategy.</param>
internal sealed class Planner(ResamplerConfig config, bool hasKeyValueInput, CostModel costs,
    Func<StrategyChoice, ScopeStrategy>? choose = null)
{
    private double Width => config.HiddenSize;

    private double QueryCount => config.QueryGrid.QueryCount;

    private IEnumerable<ScopeStrategy> Strategies
        => costs.CanAbsorb ? ScopeStrategy.All : ScopeStrategy.All.Take(1);

    /// <summary>Plans for images of <paramref name="grid"/>.</summary>
    public ExecutionPlan Plan(PatchGrid grid)
    {
        Candidate[] scopes = Consider(grid);
        ScopePlan[] plans = new ScopePlan[scopes.Length];
        foreach (StrategyChoice choice in Choices(scopes, grid))
        {
            ScopeStrategy strategy = choose?.Invoke(choice) ?? choice.Cheapest;
            foreach (int scope in choice.Scopes)
                plans[scope] = scopes[scope].ToPlan(strategy);
        }

        return new ExecutionPlan(grid, plans, CountStages(grid, plans));
    }

    /// <summary>The choices to make for images of <paramref name="grid"/>: one strategy per scope, or one for all
    /// scopes if they share keys and values.</summary>
    public IReadOnlyList<StrategyChoice> Choices(PatchGrid grid) => Choices(Consider(grid), grid);

    private StrategyChoice[] Choices(Candidate[] scopes, PatchGrid grid)
    {
        int[] all = [.. Enumerable.Range(0, scopes.Length)];
        return config.ShareKeyValues ? [Compare(all)] : [.. all.Select(scope => Compare([scope]))];

        // Scopes that share keys and values pay for a projection once.
        StrategyChoice Compare(int[] sharers) => new(sharers, [.. Strategies.Select(strategy =>
            (strategy, sharers.Sum(scope => scopes[scope].Cost(strategy))
                + (Projection(strategy.Keys) + Projection(strategy.Values))))]);

        double Projection(ProjectionStrategy strategy)
            => strategy == ProjectionStrategy.Projected ? 2.0 * grid.PatchCount * Width * Width : 0;
    }

    private Candidate[] Consider(PatchGrid grid) => [.. config.Scopes.Select(scope => Consider(scope, grid))];

    private Candidate Consider(ScopeConfig scope, PatchGrid grid)
    {
        ScopeWindows windows = ScopeWindows.Resolve(scope, config.QueryGrid, grid);
        (IReadOnlyList<QueryTile> tiles, double tiledCost) = ChooseTiles(windows);
        int headLanes = costs.PaddedLanes(config.AttentionHeadCount);
        int lastWidth = costs.LaneWidth(((headLanes - 1) % costs.LaneWidths[^1]) + 1);
        int headCount = config.AttentionHeadCount;
        double pairs = windows.PairCount;
        double absorbedKeys = (pairs * headLanes * ((2 * Width) + costs.LogitCost) / costs.Efficiency(lastWidth))
            + (QueryCount * headLanes * Width * costs.ReadCost);
        double rowValues = pairs * headCount * 2 * RoundUp(config.HeadSize, costs.LaneWidths[^1]) / costs.RowEfficiency;
        double absorbedValues = ((pairs * 2 * RoundUp(headCount, costs.AbsorbedValueHeads) * Width)
            + (2 * QueryCount * Width * Width)) / costs.AbsorbedValueEfficiency;
        double absorbedLogits = pairs * 2 * headLanes * Width;
        return new Candidate(windows, tiles, tiledCost, absorbedKeys, rowValues, absorbedValues,
            tiles.Sum(tile => (double)tile.LaneCount * tile.KeyCount) * 4 * Width,
            absorbedLogits + (pairs * 2 * Width),
            absorbedLogits + (pairs * 2 * headCount * Width) + (2 * QueryCount * Width * Width));
    }

    private static int RoundUp(int count, int multiple) => (count + multiple - 1) / multiple * multiple;

    /// <summary>Tries every tile width and height, with as many columns as fit, and returns the cheapest
    /// tiles.</summary>
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
                double cost = tiles.Sum(tile => tile.KeyCount * ((2 * Width * costs.ReadCost) + (tile.LaneCount *
                    ((4 * Width) + (config.AttentionHeadCount * costs.LogitCost)) / costs.Efficiency(tile.LaneCount))));
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
            new(StageNames.KeyValueInput, input, input),
            new(StageNames.Queries, 0, queryProjection),
            new(StageNames.Keys, keys * projection, distinct * projection),
            new(StageNames.Values, values * projection, distinct * projection),
            new(StageNames.Attention, plans.Sum(plan => plan.AttentionFlops), attention),
            new(StageNames.Outputs, queryProjection, queryProjection),
            new(StageNames.Gate, gate, gate),
            new(StageNames.Projection, output, output),
        ];
    }

    /// <summary>The cost and the operations of every alternative of one scope.</summary>
    private sealed record Candidate(ScopeWindows Windows, IReadOnlyList<QueryTile> Tiles, double TiledCost,
        double AbsorbedKeyCost, double RowValueCost, double AbsorbedValueCost, double TiledFlops, double MixedFlops,
        double AbsorbedFlops)
    {
        public double Cost(ScopeStrategy strategy) => strategy.Keys == ProjectionStrategy.Projected ? TiledCost
            : AbsorbedKeyCost + (strategy.Values == ProjectionStrategy.Projected ? RowValueCost : AbsorbedValueCost);

        public ScopePlan ToPlan(ScopeStrategy strategy) => strategy.Keys == ProjectionStrategy.Projected
            ? new ScopePlan(Windows, strategy.Keys, strategy.Values, Tiles, TiledFlops)
            : new ScopePlan(Windows, strategy.Keys, strategy.Values, [],
                strategy.Values == ProjectionStrategy.Projected ? MixedFlops : AbsorbedFlops);
    }
}
