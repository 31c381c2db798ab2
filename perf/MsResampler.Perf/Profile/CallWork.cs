namespace MsResampler.Perf.Profile;

/// <summary>Counts the work of the stages of a call with images of one grid in float32.</summary>
/// <param name="model">The model.</param>
/// <param name="plan">The plan of an image.</param>
/// <param name="panelWidth">Columns of a panel of weights.</param>
/// <param name="costs">The sizes of the register tiles.</param>
/// <param name="batch">Images in the call.</param>
/// <param name="taskCounts">The number of tasks of each stage.</param>
/// <param name="stackCount">The number of stacks that the call consists of; each reads the weights again.</param>
/// <param name="isInteger">Whether the products are of integers. Then only the operations are counted.</param>
internal sealed class CallWork(ResamplerModel model, ExecutionPlan plan, int panelWidth, CostModel costs,
    int batch, IReadOnlyDictionary<string, int> taskCounts, int stackCount,
    bool isInteger)
{
    private const double FloatBytes = sizeof(float);

    /// <summary>Rows of the widest register tile.</summary>
    private const int TileRows = 6;

    private readonly ResamplerConfig _config = model.Config;

    private double Width => _config.HiddenSize;

    private double PatchRows => (double)plan.Grid.PatchCount * batch;

    private double QueryRows => (double)_config.QueryGrid.QueryCount * batch;

    private double GateWidth => _config.Gate?.HiddenSize ?? 0;

    private int ScopeCount => plan.Scopes.Count;

    /// <summary>Whether the weights of all stages together take at most half of the third-level cache.</summary>
    public bool AreWeightsCached => taskCounts.Keys.Sum(stage => Of(stage).WeightBytes) / stackCount
        <= Limits.ThirdLevelSize / 2;

    /// <summary>The work of a stage.</summary>
    /// <param name="stage">The name that the engine gives to the phase.</param>
    public StageWork Of(string stage) => isInteger ? Float32(stage) with { IsBounded = false } : Float32(stage);

    private StageWork Float32(string stage) => stage switch
    {
        "FeatureCheck" => new("feature check", 0, 0, 0, PatchRows * _config.VisionHiddenSize * FloatBytes),
        "Input" => Product(stage, "kv_proj", 1, PatchRows, _config.VisionHiddenSize, Width),
        "InputIntegers" => new("rounding of features", 0, 0, 0, 0),
        "Norm" => new("ln_kv", 0, 0, 0, PatchRows * Width * FloatBytes
            * (_config.PositionEmbedding.Keys == PositionEmbeddingType.None ? 2 : 3)),
        "KeysAndValues" => Product(stage, "k_proj, v_proj", ProjectionCount, PatchRows, Width, Width),
        "Attention" => Sum("attention", Attention),
        "Sums" => Sum("absorbed values", Values),
        "OutputIntegers" => new("rounding of attention", 0, 0, 0, 0),
        "HeadIntegers" => new("rounding of keys, values", 0, 0, 0, 0),
        "Outputs" => Product(stage, "out_proj", ScopeCount, QueryRows, Width, Width),
        "GateIntegers" => new("rounding of branches", 0, 0, 0, 0),
        "GateHidden" => Product(stage, "gate fc1", 1, QueryRows, ScopeCount * Width, GateWidth),
        "Gate" => new("gate, ln_post",
            (plan.Stages.Single(stage => stage.Name == StageNames.Gate).Flops * batch)
                - (2 * QueryRows * ScopeCount * Width * GateWidth), 0, 0,
            QueryRows * ((ScopeCount * Width) + GateWidth + Width) * FloatBytes),
        "Tokens" => Product(stage, "proj", 1, QueryRows, Width, _config.OutputSize),
        _ => new(stage, 0, 0, 0, 0),
    };

    /// <summary>The work of the attention of one scope.</summary>
    public StageWork AttentionOf(ScopePlan scope)
        => Times(batch, Attention(scope)) with { IsBounded = !isInteger };

    private int ProjectionCount => plan.Scopes.Take(_config.ShareKeyValues ? 1 : ScopeCount).Sum(scope =>
        (scope.Keys == ProjectionStrategy.Projected ? 1 : 0) + (scope.Values == ProjectionStrategy.Projected ? 1 : 0));

    /// <summary>Products with the same rows. A panel of weights stays in the second-level cache for a chunk of rows,
    /// and is loaded again for every tile of rows. If a chunk does not fit as well, it is read again for every
    /// panel.</summary>
    private StageWork Product(string stage, string label, int count, double rows, double inner, double columns)
    {
        double panels = count * Math.Ceiling(columns / panelWidth);
        double chunkRows = rows * panels / Math.Max(1, taskCounts.GetValueOrDefault(stage));
        bool isRead = (chunkRows + panelWidth) * inner * FloatBytes > Limits.SecondLevelSize;
        double weights = count * inner * columns * FloatBytes;
        return new(label, 2 * count * rows * inner * columns,
            (Math.Ceiling(rows / TileRows) * weights) + (panels * rows * inner * FloatBytes), weights * stackCount,
            ((isRead ? panels : count) * rows * inner * FloatBytes) + (count * rows * columns * FloatBytes));
    }

    private StageWork Sum(string label, Func<ScopePlan, StageWork> scopes)
    {
        StageWork[] works = [.. plan.Scopes.Select(scope => Times(batch, scopes(scope)))];
        return new(label, works.Sum(work => work.Flops), works.Sum(work => work.InnerBytes),
            works.Sum(work => work.WeightBytes), works.Sum(work => work.OuterBytes));
    }

    private static StageWork Times(int count, StageWork work) => new(work.Label, count * work.Flops,
        count * work.InnerBytes, count * work.WeightBytes, count * work.OuterBytes);

    /// <summary>Attention of an image. Each tile of queries reads its keys and values; each query of an absorbed scope
    /// reads its folded rows and the patches of its window.</summary>
    private StageWork Attention(ScopePlan scope)
    {
        double features = plan.Grid.PatchCount * Width * FloatBytes;
        double output = _config.QueryGrid.QueryCount * Width * FloatBytes;
        if (scope.Keys == ProjectionStrategy.Projected)
            return new("", scope.AttentionFlops, scope.Tiles.Sum(tile => 2.0 * tile.KeyCount) * Width * FloatBytes,
                0, (2 * features) + output);
        double lanes = costs.PaddedLanes(_config.AttentionHeadCount);
        double folded = output * lanes;
        double pairs = scope.Windows.PairCount;
        double windows = pairs * Width * FloatBytes;
        bool areProjected = scope.Values == ProjectionStrategy.Projected;
        return new("", scope.AttentionFlops - Values(scope).Flops, folded + windows + (areProjected ? windows : 0),
            folded, features + (areProjected ? features + output : pairs * lanes * FloatBytes));
    }

    /// <summary>Absorbed values of an image: sums of rows of the window, for some heads at once, and their projection,
    /// for some queries at once.</summary>
    private StageWork Values(ScopePlan scope)
    {
        if (scope.Values == ProjectionStrategy.Projected)
            return new("", 0, 0, 0, 0);
        double queries = _config.QueryGrid.QueryCount;
        double pairs = scope.Windows.PairCount;
        double headBlocks = Math.Ceiling((double)_config.AttentionHeadCount / costs.AbsorbedValueHeads);
        double absorbedCount = plan.Scopes.Count(other => other.Values == ProjectionStrategy.Absorbed);
        double weights = Width * Width * FloatBytes;
        return new("", (2 * pairs * _config.AttentionHeadCount * Width) + (2 * queries * Width * Width),
            (pairs * Width * FloatBytes * headBlocks) + (Math.Ceiling(queries / TileRows) * weights), weights,
            (((taskCounts.GetValueOrDefault("Sums") / absorbedCount / headBlocks / batch) - 1) * weights)
                + (((plan.Grid.PatchCount * headBlocks) + queries) * Width * FloatBytes));
    }
}
