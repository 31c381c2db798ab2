using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Training.Attention;

/// <summary>What attention of one scope on one patch grid needs apart from weights. It may be kept for any number of
/// steps and used by many threads.</summary>
internal sealed class FrameGeometry
{
    /// <param name="scope">The scope.</param>
    /// <param name="config">The model.</param>
    /// <param name="grid">The patch grid.</param>
    /// <param name="costs">The costs by which tiles of queries are chosen.</param>
    public FrameGeometry(ScopeConfig scope, ResamplerConfig config, PatchGrid grid, CostModel costs)
    {
        ResamplerConfig single = config with { Scopes = [scope], ShareKeyValues = false, Gate = null };
        ScopePlan plan = new Planner(single, hasKeyValueInput: false, costs, _ => ScopeStrategy.All[0]).Plan(grid)
            .Scopes[0];
        Windows = plan.Windows;
        Tiles = plan.Tiles;
    }

    /// <summary>The window of each query.</summary>
    public ScopeWindows Windows { get; }

    /// <summary>The tiles of queries, each with its rectangle of patches.</summary>
    public IReadOnlyList<QueryTile> Tiles { get; }
}
