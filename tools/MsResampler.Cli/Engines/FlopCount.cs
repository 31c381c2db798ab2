using MsResampler.Model;

namespace MsResampler.Cli.Engines;

/// <summary>The floating-point operations of one image's matrix products as the model defines them, a
/// multiplication and an addition counting two. An engine may need fewer: it is a measure of work, not of a
/// plan.</summary>
/// <param name="Stage">The stage, in the model's names.</param>
/// <param name="Flops">Operations for one image.</param>
internal sealed record FlopCount(string Stage, double Flops)
{
    /// <summary>Counts every stage in the order of computation.</summary>
    /// <param name="model">The model, for what its checkpoint leaves out.</param>
    /// <param name="grid">The image's patch grid.</param>
    public static IReadOnlyList<FlopCount> ByStage(ResamplerModel model, PatchGrid grid)
    {
        ResamplerConfig config = model.Config;
        double patches = grid.PatchCount;
        double queries = config.QueryGrid.QueryCount;
        double width = config.HiddenSize;
        double scopeCount = config.Scopes.Count;
        List<FlopCount> stages = [];
        if (model.Weights.KeyValueInput is not null)
            stages.Add(new("kv_proj", 2 * patches * config.VisionHiddenSize * width));
        for (int scope = 0; scope < config.Scopes.Count; scope++)
        {
            string name = config.Scopes[scope].Name;
            stages.Add(new($"{name}: queries", 2 * queries * width * width));
            if (scope == 0 || !config.ShareKeyValues)
                stages.Add(new($"{name}: keys and values", 4 * patches * width * width));
            double pairs = ScopeWindows.Resolve(config.Scopes[scope], config.QueryGrid, grid).PairCount;
            stages.Add(new($"{name}: attention", 4 * pairs * width));
            stages.Add(new($"{name}: output", 2 * queries * width * width));
        }

        if (config.Gate is { } gate)
        {
            stages.Add(new("gate", 2 * queries * gate.HiddenSize * scopeCount
                * (width + config.GateGroupCount)));
            stages.Add(new("fusion", 2 * queries * scopeCount * width));
        }

        stages.Add(new("proj", 2 * queries * width * config.OutputSize));
        return stages;
    }
}
