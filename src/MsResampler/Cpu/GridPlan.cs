using MsResampler.Cpu.Simd;
using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Cpu;

/// <summary>The plan of a grid, cut into attention's tasks. Immutable; a few KiB, where operands are megabytes.</summary>
internal sealed class GridPlan
{
    private GridPlan(ExecutionPlan plan, AttentionTask[] tasks, ValueTask[] valueTasks)
    {
        Plan = plan;
        Tasks = tasks;
        ValueTasks = valueTasks;
    }

    public ExecutionPlan Plan { get; }

    /// <summary>Attention's independent tasks, the costliest first.</summary>
    public AttentionTask[] Tasks { get; }

    /// <summary>The tasks of absorbed values, which follow when all of <see cref="Tasks"/> are done.</summary>
    public ValueTask[] ValueTasks { get; }

    /// <summary>Memory held: objects as they lie in 64-bit processes, headers and list entries included.</summary>
    public unsafe long Bytes
    {
        get
        {
            const int BaseBytes = 640;
            const int ScopeBytes = 416;
            const int TileBytes = 80;
            return BaseBytes + (Tasks.Length * (long)sizeof(AttentionTask)) + (ValueTasks.Length * (long)sizeof(ValueTask))
                + Plan.Scopes.Sum(scope => ScopeBytes + (TileBytes * (long)scope.Tiles.Count)
                    + (sizeof(AxisRange) * (long)(scope.Windows.Rows.Count + scope.Windows.Columns.Count)));
        }
    }

    /// <param name="plan">The plan.</param>
    /// <param name="config">The model.</param>
    /// <param name="headLanes">Heads rounded up to whole tiles.</param>
    public static GridPlan Create<TSimd, TVector>(ExecutionPlan plan, ResamplerConfig config, int headLanes)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        List<(double Cost, AttentionTask Task)> tasks = [];
        List<ValueTask> valueTasks = [];
        for (int scope = 0; scope < plan.Scopes.Count; scope++)
        {
            ScopePlan scopePlan = plan.Scopes[scope];
            if (scopePlan.Keys == ProjectionStrategy.Projected)
            {
                // Tiles of a head follow each other: they share its keys and values.
                for (int head = 0; head < config.AttentionHeadCount; head++)
                    for (int tile = 0; tile < scopePlan.Tiles.Count; tile++)
                        tasks.Add(((double)scopePlan.Tiles[tile].KeyCount * scopePlan.Tiles[tile].LaneCount
                            * config.HeadSize, new AttentionTask(scope, tile, head)));
                continue;
            }

            for (int query = 0; query < config.QueryGrid.QueryCount; query++)
                tasks.Add((scopePlan.Windows.Rows[query / config.QueryGrid.Columns].Count
                    * (double)scopePlan.Windows.Columns[query % config.QueryGrid.Columns].Count * headLanes
                    * config.HiddenSize, new AttentionTask(scope, query, -1)));
            if (scopePlan.Values == ProjectionStrategy.Absorbed)
                AddValueTasks(scope, config,
                    AbsorbedValues<TSimd, TVector>.HeadCount, AbsorbedValues<TSimd, TVector>.QueryCount,
                    valueTasks);
        }

        return new GridPlan(plan, [.. tasks.OrderByDescending(task => task.Cost).Select(task => task.Task)],
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
