namespace MsResampler.TestKit;

/// <summary>Small configurations that tests vary.</summary>
internal static class Configs
{
    /// <summary>Three scopes that use different strategies on larger grids, and widths that are not multiples of a
    /// vector.</summary>
    public static ResamplerConfig Mixed => Of(Window(2, 2), Gaussian(2, 3, new AxisPair(5, 4)), None) with
    {
        HiddenSize = 36,
        QueryGrid = new QueryGrid(3, 3),
    };

    public static ScopeConfig None { get; } = new() { Name = "global", Prior = ScopePrior.None };

    public static ScopeConfig Window(double rows, double columns, WindowBorder border = WindowBorder.Clip,
        ScopeUnits units = ScopeUnits.Patches) => new()
        {
            Name = "window",
            Prior = ScopePrior.Window,
            Window = new AxisPair(rows, columns),
            Border = border,
            Units = units,
        };

    public static ScopeConfig Gaussian(double rows, double columns, AxisPair? window = null,
        ScopeUnits units = ScopeUnits.Patches) => new()
        {
            Name = "gaussian",
            Prior = ScopePrior.Gaussian,
            Sigma = new AxisPair(rows, columns),
            Window = window,
            Units = units,
        };

    public static ResamplerConfig Of(params ScopeConfig[] scopes) => new()
    {
        VisionHiddenSize = 12,
        HiddenSize = 24,
        AttentionHeadCount = 3,
        QueryGrid = new QueryGrid(2, 3),
        OutputSize = 10,
        Scopes = scopes,
        ShareQueries = true,
        ShareKeyValues = false,
        PositionEmbedding = new(PositionEmbeddingType.SinCos2D, PositionEmbeddingType.None),
        Gate = scopes.Length == 1 ? null : new GateConfig(7, GateGranularity.Head),
        LayerNormEpsilon = 1e-6,
        TorchDType = WeightType.Float32,
    };
}
