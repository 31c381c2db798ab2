using MsResampler.Cpu.Simd;
using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Cpu;

/// <summary>Makes the operands of patch grids for one model.</summary>
/// <param name="model">The model.</param>
/// <param name="headLanes">The number of heads, rounded up to whole tiles.</param>
/// <param name="parts">The parts that grids share. The owner of a grid's operands also releases its
/// parts.</param>
/// <param name="workers">The threads that compute.</param>
internal sealed class GridOperandsBuilder<TSimd, TVector>(ModelOperands<TSimd, TVector> model, int headLanes,
    GridParts parts, WorkerPool workers)
    where TSimd : struct, ISimd<TVector>
{
    private readonly ResamplerConfig _config = model.Config;

    /// <summary>Makes the operands of the grid of a plan.</summary>
    /// <exception cref="InvalidModelException">The model's queries leave the range of float32 on this
    /// grid.</exception>
    public GridOperands Build(GridPlan plan)
    {
        GridOperands operands = new(plan);
        try
        {
            operands.Positions = BuildPositions(operands);
            for (int scope = 0; scope < plan.Plan.Scopes.Count; scope++)
            {
                if (plan.Plan.Scopes[scope].Keys == ProjectionStrategy.Projected)
                    operands.Tiled[scope] = BuildTiled(operands, scope);
                else
                    operands.Absorbed[scope] = BuildAbsorbed(operands, scope);
                if (plan.IsOfGroup)
                    operands.Offsets[scope] = BuildOffsets(operands, scope);
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

    private KeyPositions? BuildPositions(GridOperands operands)
    {
        PatchGrid grid = operands.Plan.Grid;
        if (_config.PositionEmbedding.Keys == PositionEmbeddingType.None)
            return null;
        if (_config.PositionEmbedding.Keys == PositionEmbeddingType.Stored)
            return new KeyPositions(Retain(operands, new PartKey(PartKind.ResizedPositions, Rows: grid.Rows,
                Columns: grid.Columns), key => PositionTable.Resized(key, model.PositionTable, _config.QueryGrid,
                _config.HiddenSize, parts.Pool)));
        return new KeyPositions(grid, Axis(grid.Rows), Axis(grid.Columns));

        PositionTable Axis(int extent) => Retain(operands,
            new PartKey(PartKind.AxisPositions, Rows: PositionTable.ExtentOf(extent)),
            key => PositionTable.OfAxis(key, _config.HiddenSize, parts.Pool));
    }

    private TiledScope BuildTiled(GridOperands operands, int scope)
    {
        ScopePlan plan = operands.Plan.Scopes[scope];
        ScopeBias bias = Bias(plan, scope);
        // The first tile is a whole one, so its size is the size of all tiles.
        (int tileRows, int tileColumns) = (plan.Tiles[0].QueryRows.Count, plan.Tiles[0].QueryColumns.Count);
        TiledQueries queries = Retain(operands,
            QueryKey(PartKind.TiledQueries, operands, scope) with { TileRows = tileRows, TileColumns = tileColumns },
            key => WithQueries(operands, scope,
                queries => TiledQueries.Create(key, plan.Tiles, queries, _config, parts.Pool)));
        TiledBias? rows = null, columns = null;
        if (TiledScope.IsBiased(plan, bias.IsMask))
        {
            rows = Axis(new PartKey(PartKind.TiledRowBias, scope, Rows: operands.Plan.Grid.Rows));
            columns = Axis(new PartKey(PartKind.TiledColumnBias, scope, Columns: operands.Plan.Grid.Columns));
        }

        return new TiledScope(plan, queries, rows, columns, bias.IsMask, _config.QueryGrid.Columns);

        TiledBias Axis(PartKey axis) => Retain(operands, axis with { TileRows = tileRows, TileColumns = tileColumns },
            key => TiledBias.Create(key, plan.Tiles, bias, _config.AttentionHeadCount, parts.Pool));
    }

    private AbsorbedScope BuildAbsorbed(GridOperands operands, int scope)
    {
        ScopePlan plan = operands.Plan.Scopes[scope];
        ScopeBias bias = Bias(plan, scope);
        FoldedQueries queries = Retain(operands, QueryKey(PartKind.FoldedQueries, operands, scope),
            key => WithQueries(operands, scope, queries => model.Checked(scope, FoldedQueries.Create<TSimd, TVector>(
                key, queries, model.Scopes[scope].Keys, _config, headLanes, parts.Pool, workers))));
        AbsorbedBias? rows = null, columns = null;
        if (!bias.IsMask)
        {
            rows = Axis(PartKind.AbsorbedRowBias, plan.Windows.Rows, operands.Plan.Grid.Rows, 0);
            columns = Axis(PartKind.AbsorbedColumnBias, plan.Windows.Columns, 0, operands.Plan.Grid.Columns);
        }

        return new AbsorbedScope(plan, queries, rows, columns, headLanes, _config.QueryGrid.Columns);

        AbsorbedBias Axis(PartKind kind, IReadOnlyList<AxisRange> windows, int gridRows, int gridColumns)
            => Retain(operands, new PartKey(kind, scope, gridRows, gridColumns), key => AbsorbedBias.Create(
                key, windows, bias, _config.AttentionHeadCount, headLanes, parts.Pool));
    }

    private FrameOffsets? BuildOffsets(GridOperands operands, int scope)
    {
        ScopeBias bias = Bias(operands.Plan.Scopes[scope], scope);
        double[]? keyBias = model.Scopes[scope].KeyBias;
        if (bias.IsMask && keyBias is null)
            return null;
        PatchGrid grid = operands.Plan.Grid;
        return Retain(operands, new PartKey(PartKind.FrameOffsets, scope, grid.Rows, grid.Columns), key
            => keyBias is null ? Create(key, null) : WithQueries(operands, scope, queries => Create(key, queries)));

        FrameOffsets Create(PartKey key, AlignedBuffer? queries)
            => FrameOffsets.Create(key, bias, queries, keyBias, _config, parts.Pool);
    }

    private ScopeBias Bias(ScopePlan plan, int scope)
        => new(_config.Scopes[scope], plan.Windows, _config.QueryGrid, model.Scopes[scope].LogSigma);

    private PartKey QueryKey(PartKind kind, GridOperands operands, int scope) => model.DependsOnAnchors
        ? new PartKey(kind, scope, operands.Plan.Grid.Rows, operands.Plan.Grid.Columns) : new PartKey(kind, scope);

    private T WithQueries<T>(GridOperands operands, int scope, Func<AlignedBuffer, T> use)
    {
        AlignedBuffer queries = model.Queries(scope, operands.Plan.Grid, parts.Pool, workers);
        T made = use(queries);
        if (model.DependsOnAnchors)
            parts.Pool.Return(queries);
        return made;
    }

    private T Retain<T>(GridOperands operands, PartKey key, Func<PartKey, T> create)
        where T : GridPart
    {
        T part = parts.Retain(key, () => create(key));
        operands.Parts.Add(part);
        return part;
    }
}
