using MsResampler.Cpu.Simd;
using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Cpu;

/// <summary>Everything that depends on an image's patch grid but not on its features: the plan, positions, packed
/// queries and bias tables. Immutable, shared by all calls; most parts are shared with other grids.</summary>
internal sealed class GridOperands
{
    private readonly GridPlan _plan;

    private GridOperands(GridPlan plan)
    {
        _plan = plan;
        Tiled = new TiledScope?[plan.Plan.Scopes.Count];
        Absorbed = new AbsorbedScope?[plan.Plan.Scopes.Count];
    }

    public ExecutionPlan Plan => _plan.Plan;

    /// <summary>What keys add to Z, or null.</summary>
    public KeyPositions? Positions { get; private set; }

    /// <summary>Per scope, set where keys are projected.</summary>
    public TiledScope?[] Tiled { get; }

    /// <summary>Per scope, set where keys are absorbed.</summary>
    public AbsorbedScope?[] Absorbed { get; }

    /// <inheritdoc cref="GridPlan.Tasks"/>
    public AttentionTask[] Tasks => _plan.Tasks;

    /// <inheritdoc cref="GridPlan.ValueTasks"/>
    public ValueTask[] ValueTasks => _plan.ValueTasks;

    /// <summary>What the grid holds, each once for every time that it was retained.</summary>
    public List<GridPart> Parts { get; } = new(16);

    public int PatchCount => (int)Plan.Grid.PatchCount;

    /// <summary>Calls that read it, and the cache as long as it is cached. Changed by <see cref="GridCache"/> alone.
    /// </summary>
    public int UseCount { get; set; }

    /// <param name="model">The model.</param>
    /// <param name="plan">The plan of the grid.</param>
    /// <param name="headLanes">Heads rounded up to whole tiles.</param>
    /// <param name="parts">What grids share; gives back <see cref="Parts"/> when they are released.</param>
    /// <param name="workers">The threads that compute.</param>
    public static GridOperands Create<TSimd, TVector>(ModelOperands<TSimd, TVector> model, GridPlan plan, int headLanes,
        GridParts parts, WorkerPool workers)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        GridOperands operands = new(plan);
        try
        {
            operands.Positions = operands.CreatePositions(model, parts);
            for (int scope = 0; scope < plan.Plan.Scopes.Count; scope++)
            {
                if (plan.Plan.Scopes[scope].Keys == ProjectionStrategy.Projected)
                    operands.Tiled[scope] = operands.CreateTiled(model, scope, parts, workers);
                else
                    operands.Absorbed[scope] = operands.CreateAbsorbed(model, scope, headLanes, parts, workers);
            }
        }
        catch
        {
            foreach (GridPart part in operands.Parts)
                parts.Release(part);
            throw;
        }

        return operands;
    }

    private KeyPositions? CreatePositions<TSimd, TVector>(ModelOperands<TSimd, TVector> model, GridParts parts)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ResamplerConfig config = model.Config;
        PatchGrid grid = Plan.Grid;
        if (!config.PositionEmbedding.Keys)
            return null;
        if (!model.PositionTable.IsEmpty)
            return new KeyPositions(Retain(parts, new PartKey(PartKind.ResizedPositions, Rows: grid.Rows,
                Columns: grid.Columns), key => ResizedPositions.Create(key, model.PositionTable, config.QueryGrid,
                config.HiddenSize, parts.Pool)));
        return new KeyPositions(grid, Axis(grid.Rows), Axis(grid.Columns));

        AxisPositions Axis(int extent) => Retain(parts,
            new PartKey(PartKind.AxisPositions, Rows: AxisPositions.ExtentOf(extent)),
            key => AxisPositions.Create(key, config.HiddenSize, parts.Pool));
    }

    private TiledScope CreateTiled<TSimd, TVector>(ModelOperands<TSimd, TVector> model, int scope, GridParts parts,
        WorkerPool workers)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ResamplerConfig config = model.Config;
        PatchGrid grid = Plan.Grid;
        ScopePlan plan = Plan.Scopes[scope];
        ScopeBias bias = Bias(model, scope);
        // The first tile is a whole one; it says how all are cut.
        (int tileRows, int tileColumns) = (plan.Tiles[0].QueryRows.Count, plan.Tiles[0].QueryColumns.Count);
        TiledQueries queries = Retain(parts,
            QueryKey(PartKind.TiledQueries) with { TileRows = tileRows, TileColumns = tileColumns },
            key => WithQueries(model, scope, parts.Pool, workers,
                queries => TiledQueries.Create(key, plan.Tiles, queries, config, parts.Pool)));
        TiledBias? rows = null, columns = null;
        if (TiledScope.IsBiased(plan, bias.IsMask))
        {
            rows = BiasPart(new PartKey(PartKind.TiledRowBias, scope, Rows: grid.Rows));
            columns = BiasPart(new PartKey(PartKind.TiledColumnBias, scope, Columns: grid.Columns));
        }

        return new TiledScope(plan, queries, rows, columns, bias.IsMask, config.QueryGrid.Columns);

        TiledBias BiasPart(PartKey axis) => Retain(parts, axis with { TileRows = tileRows, TileColumns = tileColumns },
            key => TiledBias.Create(key, plan.Tiles, bias, config.AttentionHeadCount, parts.Pool));

        PartKey QueryKey(PartKind kind) => model.DependsOnAnchors
            ? new PartKey(kind, scope, grid.Rows, grid.Columns) : new PartKey(kind, scope);
    }

    private AbsorbedScope CreateAbsorbed<TSimd, TVector>(ModelOperands<TSimd, TVector> model, int scope, int headLanes,
        GridParts parts, WorkerPool workers)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ResamplerConfig config = model.Config;
        PatchGrid grid = Plan.Grid;
        ScopePlan plan = Plan.Scopes[scope];
        ScopeBias bias = Bias(model, scope);
        PartKey queryKey = model.DependsOnAnchors
            ? new PartKey(PartKind.FoldedQueries, scope, grid.Rows, grid.Columns)
            : new PartKey(PartKind.FoldedQueries, scope);
        FoldedQueries queries = Retain(parts, queryKey, key => WithQueries(model, scope, parts.Pool, workers,
            queries => model.Checked(scope, FoldedQueries.Create<TSimd, TVector>(key, queries, model.Scopes[scope].Keys,
                config, headLanes, parts.Pool, workers))));
        AbsorbedBias? rows = null, columns = null;
        if (!bias.IsMask)
        {
            rows = BiasPart(new PartKey(PartKind.AbsorbedRowBias, scope, Rows: grid.Rows), plan.Windows.Rows);
            columns = BiasPart(new PartKey(PartKind.AbsorbedColumnBias, scope, Columns: grid.Columns),
                plan.Windows.Columns);
        }

        return new AbsorbedScope(plan, queries, rows, columns, headLanes, config.QueryGrid.Columns);

        AbsorbedBias BiasPart(PartKey axis, IReadOnlyList<AxisRange> windows) => Retain(parts, axis,
            key => AbsorbedBias.Create(key, windows, bias, config.AttentionHeadCount, headLanes, parts.Pool));
    }

    private ScopeBias Bias<TSimd, TVector>(ModelOperands<TSimd, TVector> model, int scope)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
        => new(model.Config.Scopes[scope], Plan.Scopes[scope].Windows, model.Config.QueryGrid,
            model.Scopes[scope].LogSigma);

    private T WithQueries<T, TSimd, TVector>(ModelOperands<TSimd, TVector> model, int scope, BufferPool pool,
        WorkerPool workers, Func<AlignedBuffer, T> use)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        AlignedBuffer queries = model.Queries(scope, Plan.Grid, pool, workers);
        T made = use(queries);
        if (model.DependsOnAnchors)
            pool.Return(queries);
        return made;
    }

    private T Retain<T>(GridParts parts, PartKey key, Func<PartKey, T> create)
        where T : GridPart
    {
        T part = parts.Retain(key, () => create(key));
        Parts.Add(part);
        return part;
    }
}
