using MsResampler.Cpu.Simd;
using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Cpu;

/// <summary>Everything that depends on an image's patch grid but not on its features: the plan, positions, packed
/// queries and bias tables. Immutable, shared by all calls.</summary>
internal sealed class GridOperands
{
    private GridOperands(ExecutionPlan plan, KeyPositions? positions, TiledScope?[] tiled, AbsorbedScope?[] absorbed,
        long foldedCount, AttentionTask[] tasks, ValueTask[] valueTasks)
    {
        Plan = plan;
        Positions = positions;
        Tiled = tiled;
        Absorbed = absorbed;
        Tasks = tasks;
        ValueTasks = valueTasks;
        Bytes = (positions?.Bytes ?? 0) + tiled.Sum(scope => scope?.Bytes ?? 0)
            + absorbed.Sum(scope => scope?.BiasBytes ?? 0) + (sizeof(float) * foldedCount);
    }

    public ExecutionPlan Plan { get; }

    /// <summary>What keys add to Z, or null.</summary>
    public KeyPositions? Positions { get; }

    /// <summary>Per scope, set where keys are projected.</summary>
    public TiledScope?[] Tiled { get; }

    /// <summary>Per scope, set where keys are absorbed.</summary>
    public AbsorbedScope?[] Absorbed { get; }

    /// <summary>Attention's independent tasks, the costliest first.</summary>
    public AttentionTask[] Tasks { get; }

    /// <summary>The tasks of absorbed values, which follow when all of <see cref="Tasks"/> are done.</summary>
    public ValueTask[] ValueTasks { get; }

    /// <summary>Memory held, without what grids share.</summary>
    public long Bytes { get; }

    public int PatchCount => (int)Plan.Grid.PatchCount;

    /// <param name="model">The model.</param>
    /// <param name="plan">The plan of the grid.</param>
    /// <param name="headLanes">Heads rounded up to whole tiles.</param>
    /// <param name="folded">Folded queries by scope that were made before; filled where they do not depend on the grid.
    /// </param>
    public static GridOperands Create<TSimd, TVector>(ModelOperands<TSimd, TVector> model, ExecutionPlan plan,
        int headLanes, AlignedBuffer?[] folded)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ResamplerConfig config = model.Config;
        int scopeCount = config.Scopes.Count;
        TiledScope?[] tiled = new TiledScope?[scopeCount];
        AbsorbedScope?[] absorbed = new AbsorbedScope?[scopeCount];
        List<(double Cost, AttentionTask Task)> tasks = [];
        List<ValueTask> valueTasks = [];
        long foldedCount = 0;
        for (int scope = 0; scope < scopeCount; scope++)
        {
            ScopePlan scopePlan = plan.Scopes[scope];
            ScopeBias bias = new(config.Scopes[scope], scopePlan.Windows, config.QueryGrid,
                model.Scopes[scope].LogSigma);
            if (scopePlan.Keys == ProjectionStrategy.Projected)
            {
                tiled[scope] = new TiledScope(scopePlan, model.Queries(scope, plan.Grid), bias, config);
                // Tiles of a head follow each other: they share its keys and values.
                for (int head = 0; head < config.AttentionHeadCount; head++)
                    for (int tile = 0; tile < scopePlan.Tiles.Count; tile++)
                        tasks.Add(((double)scopePlan.Tiles[tile].KeyCount * scopePlan.Tiles[tile].LaneCount
                            * config.HeadSize, new AttentionTask(scope, tile, head)));
                continue;
            }

            AlignedBuffer queries = (model.DependsOnAnchors ? null : folded[scope])
                ?? AbsorbedScope.Fold<TSimd, TVector>(model.Queries(scope, plan.Grid), model.Scopes[scope].Keys, config,
                    headLanes);
            if (model.DependsOnAnchors)
                foldedCount += queries.Count;
            else
                folded[scope] = queries;
            absorbed[scope] = new AbsorbedScope(scopePlan, queries, headLanes, bias, config);
            for (int query = 0; query < config.QueryGrid.QueryCount; query++)
                tasks.Add((scopePlan.Windows.Rows[query / config.QueryGrid.Columns].Count
                    * (double)scopePlan.Windows.Columns[query % config.QueryGrid.Columns].Count * headLanes
                    * config.HiddenSize, new AttentionTask(scope, query, -1)));
            if (scopePlan.Values == ProjectionStrategy.Absorbed)
                AddValueTasks(scope, config,
                    AbsorbedValues<TSimd, TVector>.HeadCount, AbsorbedValues<TSimd, TVector>.QueryCount,
                    valueTasks);
        }

        AttentionTask[] ordered = [.. tasks.OrderByDescending(task => task.Cost).Select(task => task.Task)];
        return new GridOperands(plan, model.KeyPositions(plan.Grid), tiled, absorbed, foldedCount, ordered,
            [.. valueTasks]);
    }

    private static void AddValueTasks(int scope, ResamplerConfig config, int taskHeads, int taskQueries,
        List<ValueTask> tasks)
    {
        int headCount = config.AttentionHeadCount;
        int queryCount = config.QueryGrid.QueryCount;
        for (int head = 0; head < headCount; head += taskHeads)
            for (int query = 0; query < queryCount; query += taskQueries)
                tasks.Add(new ValueTask(scope, head, Math.Min(taskHeads, headCount - head), query,
                    Math.Min(taskQueries, queryCount - query)));
    }
}

/// <summary>A unit of attention for one image: a tile of queries and one head, or, where keys are absorbed, one query
/// and all heads.</summary>
/// <param name="Scope">The scope.</param>
/// <param name="Index">The tile or the query.</param>
/// <param name="Head">The head, or −1 for all.</param>
internal readonly record struct AttentionTask(int Scope, int Index, int Head);

/// <summary>A unit of absorbed values for one image: some heads of some queries.</summary>
internal readonly record struct ValueTask(int Scope, int Head, int HeadCount, int Query, int QueryCount);
