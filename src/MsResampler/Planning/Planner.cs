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
    /// <summary>Called with every plan for images; it does not throw.</summary>
    public Action<ExecutionPlan>? Planned { get; set; }

    private double Width => config.HiddenSize;

    private double QueryCount => config.QueryGrid.QueryCount;

    /// <summary>Operations of the projection of absorbed values, <c>Wv·(Σ p·z)</c>.</summary>
    private double SumProjectionFlops => 2 * QueryCount * Width * Width;

    private IEnumerable<ScopeStrategy> Strategies
        => costs.CanAbsorb ? ScopeStrategy.All : ScopeStrategy.All.Take(1);

    /// <summary>Plans for images of <paramref name="grid"/>.</summary>
    public ExecutionPlan Plan(PatchGrid grid)
    {
        Candidate[] scopes = Consider(grid);
        StrategyChoice[] choices = Choices(scopes, grid);
        ScopeStrategy[] strategies = new ScopeStrategy[scopes.Length];
        foreach (StrategyChoice choice in choices)
        {
            ScopeStrategy strategy = choose?.Invoke(choice) ?? choice.Cheapest;
            foreach (int scope in choice.Scopes)
                strategies[scope] = strategy;
        }

        ExecutionPlan plan = Plan(grid, scopes, choices, strategies);
        Planned?.Invoke(plan);
        return plan;
    }

    /// <summary>Plans for frames of <paramref name="grid"/> in groups that use given strategies.</summary>
    /// <param name="grid">The patch grid of the frames.</param>
    /// <param name="strategies">One strategy per scope.</param>
    public ExecutionPlan Plan(PatchGrid grid, ReadOnlySpan<ScopeStrategy> strategies)
    {
        Candidate[] scopes = Consider(grid);
        return Plan(grid, scopes, Choices(scopes, grid), strategies);
    }

    /// <summary>Plans for a group of frames. All frames use the same strategies: those with the lowest cost over all of
    /// them. The plan depends on the grids of the group alone.</summary>
    /// <param name="grids">The patch grid of each frame; at least one.</param>
    public GroupPlan PlanGroup(ReadOnlySpan<PatchGrid> grids)
    {
        ExecutionPlan[] images = [.. grids.ToArray().Select(Plan)];
        if (images.Length == 1)
            return new GroupPlan(images, images[0].Stages);
        ScopeStrategy[] strategies = new ScopeStrategy[config.Scopes.Count];
        Choose(images, strategies);
        ExecutionPlan[] frames = [.. grids.ToArray().Select(grid => Plan(grid, strategies))];
        return new GroupPlan(frames, CountStages(frames));
    }

    /// <summary>Chooses the strategies of a group of several frames. It allocates nothing unless the planner was given
    /// a function that chooses.</summary>
    /// <param name="frames">For each frame the plan of an image with the same grid.</param>
    /// <param name="strategies">Receives one strategy per scope.</param>
    public void Choose(ReadOnlySpan<ExecutionPlan> frames, Span<ScopeStrategy> strategies)
    {
        for (int index = 0; index < frames[0].Choices.Count; index++)
        {
            StrategyChoice choice = frames[0].Choices[index];
            ScopeStrategy strategy = choose is not null ? choose(Sum(frames, index)) : Cheapest(frames, index);
            for (int sharer = 0; sharer < choice.Scopes.Count; sharer++)
                strategies[choice.Scopes[sharer]] = strategy;
        }
    }

    private ScopeStrategy Cheapest(ReadOnlySpan<ExecutionPlan> frames, int choice)
    {
        ScopeStrategy best = default;
        double bestCost = double.PositiveInfinity;
        for (int alternative = 0; alternative < frames[0].Choices[choice].Alternatives.Count; alternative++)
        {
            double cost = CostOfGroup(frames, choice, alternative);
            if (cost < bestCost)
                (best, bestCost) = (frames[0].Choices[choice].Alternatives[alternative].Strategy, cost);
        }

        return best;
    }

    /// <summary>A choice for a group of frames, with the costs of the whole group.</summary>
    private StrategyChoice Sum(ReadOnlySpan<ExecutionPlan> frames, int choice)
    {
        StrategyChoice first = frames[0].Choices[choice];
        (ScopeStrategy, double)[] alternatives = new (ScopeStrategy, double)[first.Alternatives.Count];
        for (int alternative = 0; alternative < alternatives.Length; alternative++)
            alternatives[alternative] = (first.Alternatives[alternative].Strategy,
                CostOfGroup(frames, choice, alternative));
        return first with { Alternatives = alternatives };
    }

    /// <summary>The cost of an alternative for a group of several frames. Values that are absorbed are projected once
    /// per group. Other values are summed frame by frame, and the sums are merged.</summary>
    private double CostOfGroup(ReadOnlySpan<ExecutionPlan> frames, int choice, int alternative)
    {
        double cost = 0;
        foreach (ExecutionPlan frame in frames)
            cost += frame.Choices[choice].Alternatives[alternative].Cost;
        StrategyChoice first = frames[0].Choices[choice];
        double perScope = first.Alternatives[alternative].Strategy.Values == ProjectionStrategy.Absorbed
            ? -(frames.Length - 1) * SumProjectionFlops / costs.AbsorbedValueEfficiency
            : frames.Length * QueryCount * Width * costs.ReadCost;
        return cost + (first.Scopes.Count * perScope);
    }

    private ExecutionPlan Plan(PatchGrid grid, Candidate[] scopes, StrategyChoice[] choices,
        ReadOnlySpan<ScopeStrategy> strategies)
    {
        ScopePlan[] plans = new ScopePlan[scopes.Length];
        for (int scope = 0; scope < plans.Length; scope++)
            plans[scope] = scopes[scope].ToPlan(strategies[scope]);
        return new ExecutionPlan(grid, plans, CountStages(grid, plans), choices);
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
                + (Projection(strategy.Keys, costs.KeyCost) + Projection(strategy.Values, costs.ValueCost))))]);

        double Projection(ProjectionStrategy strategy, double cost)
            => strategy == ProjectionStrategy.Projected ? 2.0 * grid.PatchCount * Width * Width * cost : 0;
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
            + (SumProjectionFlops * costs.ValueCost)) / costs.AbsorbedValueEfficiency;
        double absorbedLogits = pairs * 2 * headLanes * Width;
        return new Candidate(windows, tiles, tiledCost, absorbedKeys, rowValues, absorbedValues,
            tiles.Sum(tile => (double)tile.LaneCount * tile.KeyCount) * 4 * Width,
            absorbedLogits + (pairs * 2 * Width),
            absorbedLogits + (pairs * 2 * headCount * Width) + SumProjectionFlops);
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
                double cost = tiles.Sum(TileCost);
                if (cost < bestCost)
                    (best, bestCost) = (tiles, cost);
            }
        }

        return (best, bestCost);
    }

    private double TileCost(QueryTile tile)
    {
        double perLane = ((4 * Width * costs.TiledProductCost) + (config.AttentionHeadCount * costs.TiledLogitCost))
            / costs.Efficiency(tile.LaneCount);
        return (tile.LaneCount * Width * costs.TiledQueryCost)
            + (tile.KeyCount * ((2 * Width * costs.TiledReadCost) + (tile.LaneCount * perLane)));
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

    /// <summary>Operations of a group of several frames. The stages up to attention run for every frame; absorbed
    /// values are projected once, and the sums of other values are merged. The other stages run once.</summary>
    private StageCost[] CountStages(ExecutionPlan[] frames)
    {
        int absorbed = frames[0].Scopes.Count(scope => scope.Values == ProjectionStrategy.Absorbed);
        double merge = 2 * QueryCount * Width * frames.Length * (config.Scopes.Count - absorbed);
        return [.. frames[0].Stages.Select((stage, index) => stage.Name switch
        {
            StageNames.Attention => Sum(index) with
            {
                Flops = Sum(index).Flops - ((frames.Length - 1) * absorbed * SumProjectionFlops) + merge,
            },
            StageNames.KeyValueInput or StageNames.Keys or StageNames.Values => Sum(index),
            _ => stage,
        })];

        StageCost Sum(int stage) => new(frames[0].Stages[stage].Name, frames.Sum(frame => frame.Stages[stage].Flops),
            frames.Sum(frame => frame.Stages[stage].NaiveFlops));
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
