using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Cpu;

/// <summary>The plan of a grid and its attention tasks. Immutable; takes a few KiB, operands take
/// megabytes.</summary>
/// <param name="plan">The plan.</param>
/// <param name="tasks">The tasks of attention.</param>
/// <param name="isOfGroup">Whether frames of groups of several frames use the plan, not images.</param>
internal sealed class GridPlan(ExecutionPlan plan, AttentionTask[] tasks, bool isOfGroup)
{
    public ExecutionPlan Plan => plan;

    /// <summary>Whether frames of groups of several frames use the plan, not images.</summary>
    public bool IsOfGroup => isOfGroup;

    /// <summary>The tasks of attention, which are independent; the most expensive first.</summary>
    public AttentionTask[] Tasks => tasks;

    /// <summary>Memory in bytes, with the object headers and list entries of a 64-bit process.</summary>
    public unsafe long Bytes
    {
        get
        {
            const int BaseBytes = 640;
            const int ScopeBytes = 416;
            const int TileBytes = 80;
            const int ChoiceBytes = 192;
            return BaseBytes + (Tasks.Length * (long)sizeof(AttentionTask))
                + (Plan.Choices.Count * (long)ChoiceBytes)
                + Plan.Scopes.Sum(scope => ScopeBytes + (TileBytes * (long)scope.Tiles.Count)
                    + (sizeof(AxisRange) * (long)(scope.Windows.Rows.Count + scope.Windows.Columns.Count)));
        }
    }

    /// <summary>Cuts a plan into tasks.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="config">The model's configuration.</param>
    /// <param name="headLanes">The number of heads, rounded up to whole tiles.</param>
    /// <param name="isOfGroup">Whether the plan is for frames of groups of several frames.</param>
    public static GridPlan Create(ExecutionPlan plan, ResamplerConfig config, int headLanes, bool isOfGroup = false)
    {
        List<(double Cost, AttentionTask Task)> tasks = [];
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
        }

        return new GridPlan(plan, [.. tasks.OrderByDescending(task => task.Cost).Select(task => task.Task)], isOfGroup);
    }
}

/// <summary>A task of attention for one frame: one tile of queries and one head if keys are projected, one
/// query and all heads if keys are absorbed.</summary>
/// <param name="Scope">The scope.</param>
/// <param name="Index">The index of the tile or of the query.</param>
/// <param name="Head">The head, or −1 for all heads.</param>
internal readonly record struct AttentionTask(int Scope, int Index, int Head);
