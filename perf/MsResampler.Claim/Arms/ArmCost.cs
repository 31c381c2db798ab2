using MsResampler.Model;
using MsResampler.Scenes;
using MsResampler.Training;

namespace MsResampler.Claim.Arms;

/// <summary>What an arm costs. Counted here for all arms alike.</summary>
/// <param name="ParameterCount">The number of trained values, without the reader.</param>
/// <param name="Work">Multiply-adds for one scene at scale 1, as the model is written: without those of the queries,
/// which are computed once per model, and without those that an engine can save.</param>
internal readonly record struct ArmCost(long ParameterCount, long Work)
{
    /// <summary>The cost of a resampler.</summary>
    public static ArmCost Of(ResamplerConfig config, IEnumerable<TrainableTensor> tensors)
        => new(tensors.Where(tensor => !tensor.IsFrozen).Sum(tensor => (long)tensor.Count), WorkOf(config));

    private static long WorkOf(ResamplerConfig config)
    {
        PatchGrid grid = SceneLayout.Grid(1);
        long width = config.HiddenSize;
        long tokens = config.QueryGrid.QueryCount;
        long scopes = config.Scopes.Count;
        long work = grid.PatchCount * config.VisionHiddenSize * width;
        work += grid.PatchCount * width * width * 2 * (config.ShareKeyValues ? 1 : scopes);
        // Logits and values: the width of all heads, twice, for each patch that a query sees.
        work += config.Scopes.Sum(scope => 2 * width * VisibleCount(scope, config.QueryGrid, grid));
        work += scopes * tokens * width * width;
        if (config.Gate is { } gate)
            work += tokens * scopes
                * ((width * gate.HiddenSize) + ((long)gate.HiddenSize * config.GateGroupCount) + width);
        return work + (tokens * width * config.OutputSize);
    }

    // Patches over all queries.
    private static long VisibleCount(ScopeConfig scope, QueryGrid queries, PatchGrid grid)
    {
        if (scope.Window is not { } window)
            return queries.QueryCount * grid.PatchCount;
        long rows = Enumerable.Range(0, queries.Rows).Sum(query => Extent(query, queries.Rows, grid.Rows, window.Rows));
        long columns = Enumerable.Range(0, queries.Columns)
            .Sum(query => Extent(query, queries.Columns, grid.Columns, window.Columns));
        return rows * columns;

        long Extent(int query, int queryCount, int patchCount, double extent)
        {
            AxisRange range = ScopeGeometry.Window(query, queryCount, patchCount,
                ScopeGeometry.WindowExtent(scope.Units, extent, patchCount), scope.Border);
            return range.Count;
        }
    }
}
