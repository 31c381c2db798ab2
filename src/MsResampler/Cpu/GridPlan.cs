using MsResampler.Cpu.Simd;
using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Cpu;

/// <summary>The plan of a grid and its attention tasks. Immutable; takes a few KiB, operands take
/// megabytes.</summary>
/// <param name="plan">The plan.</param>
/// <param name="tasks">The tasks of attention.</param>
/// <param name="valueTasks">The tasks of absorbed values.</param>
internal sealed class GridPlan(ExecutionPlan plan, AttentionTask[] tasks, ValueTask[] valueTasks)
{
    public ExecutionPlan Plan => plan;

    /// <summary>The tasks of attention, which are independent; the most expensive first.</summary>
    public AttentionTask[] Tasks => tasks;

    /// <summary>The tasks of absorbed values, which run after all of <see cref="Tasks"/>.</summary>
    public ValueTask[] ValueTasks => valueTasks;

    /// <summary>Memory in bytes, with the object headers and list entries of a 64-bit process.</summary>
    public unsafe long Bytes
    {
        get
        {
            const int BaseBytes = 640;
            const int ScopeBytes = 416;
            const int TileBytes = 80;
            return BaseBytes + (Tasks.Length * (long)sizeof(AttentionTask))
                + (ValueTasks.Length * (long)sizeof(ValueTask))
                + Plan.Scopes.Sum(scope => ScopeBytes + (TileBytes * (long)scope.Tiles.Count)
                    + (sizeof(AxisRange) * (long)(scope.Windows.Rows.Count + scope.Windows.Columns.Count)));
        }
    }

    /// <summary>Cuts a plan into tasks.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="config">The model's configuration.</param>
    /// <param name="headLanes">The number of heads, rounded up to whole tiles.</param>
    public static GridPlan Create<TSimd, TVector>(ExecutionPlan plan, ResamplerConfig config, int headLanes)
        where TSimd : struct, ISimd<TVector>
    {
        List<(double Cost, AttentionTask Task)> tasks = [];
        List<ValueTask> valueTasks = [];
        for (int scope = 0; scope < plan.Scopes.Count; scope++)
        {
            ScopePlan scopePlan = plan.Scopes[scope];
            if (scopePlan.Keys == ProjectionStrategy.Projected)
            {
                // Tiles of the same head are neighbours because they read the same keys and values.
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

/// <summary>A task of attention for one image: one tile of queries and one head if keys are projected, one
/// query and all heads if keys are absorbed.</summary>
/// <param name="Scope">The scope.</param>
/// <param name="Index">The index of the tile or of the query.</param>
/// <param name="Head">The head, or −1 for all heads.</param>
internal readonly record struct AttentionTask(int Scope, int Index, int Head);

/// <summary>A task of absorbed values for one image: a range of heads for a range of queries.</summary>
internal readonly record struct ValueTask(int Scope, int Head, int HeadCount, int Query, int QueryCount);
