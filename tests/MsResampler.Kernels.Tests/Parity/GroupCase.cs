namespace MsResampler.Kernels.Tests.Parity;

/// <summary>A model and groups of frames.</summary>
/// <param name="Name">What the case is about.</param>
/// <param name="Config">The model.</param>
internal sealed record GroupCase(string Name, ResamplerConfig Config)
{
    private const float BiasFactor = 10;

    private static readonly PatchGrid s_wide = new(4, 9);
    private static readonly PatchGrid s_high = new(7, 5);
    private static readonly PatchGrid s_row = new(1, 13);

    public RandomModelOptions Options { get; init; } = new();

    /// <summary>Groups of unequal frames, among images.</summary>
    public Group[] Groups { get; init; } =
    [
        new([s_wide, s_high], [0, 7]), new([s_high], [-1]),
        new([s_row, s_wide, s_wide, s_high, s_high], [3, -1, 4, 600, 3]), new([s_wide], [5]),
        new([s_high, s_high], [-1, -1]),
    ];

    /// <summary>Every way in which frames differ, and every layout of heads.</summary>
    public static IReadOnlyList<GroupCase> All { get; } = [.. Cases()];

    /// <summary>A model with weights that are exact in a precision. Biases of keys and of the normalisation before them
    /// are so large that tokens without them are wrong by far more than the bound.</summary>
    public TestModel Model(Precision precision) => Rounding.Model(Config, Options, precision, seed: 5, tensor
        => tensor.Name.EndsWith("k_proj.bias", StringComparison.Ordinal)
            || tensor.Name.EndsWith("ln_kv.bias", StringComparison.Ordinal)
            ? tensor with { ValueAt = index => BiasFactor * tensor.ValueAt(index) } : tensor);

    public override string ToString() => Name;

    private static IEnumerable<GroupCase> Cases()
    {
        ResamplerConfig scopes = Configs.Of(Configs.Window(2, 2), Configs.Gaussian(2, 3, new AxisPair(5, 4)),
            Configs.None) with
        {
            QueryGrid = new QueryGrid(3, 3),
        };
        PositionEmbeddingConfig anchored = new(PositionEmbeddingType.SinCos2D, PositionEmbeddingType.SinCos2D);
        yield return new("no positions", scopes with
        {
            PositionEmbedding = new(PositionEmbeddingType.None, PositionEmbeddingType.None),
        });
        yield return new("windows", Configs.Of(Configs.Window(2, 2), Configs.None));
        yield return new("narrow Gaussians", Configs.Of(Configs.Gaussian(0.3, 0.4), Configs.Gaussian(0.1, 0.2,
            units: ScopeUnits.Fraction), Configs.None));
        yield return new("learned sigmas", scopes) { Options = new() { LearnedSigmaScopes = [1] } };
        yield return new("anchored queries", scopes with { PositionEmbedding = anchored });
        yield return new("anchored queries without kv_proj", scopes with
        {
            PositionEmbedding = anchored,
            VisionHiddenSize = scopes.HiddenSize,
        })
        { Options = new() { OmitKeyValueInput = true } };
        yield return new("times", scopes with
        {
            PositionEmbedding = new(PositionEmbeddingType.SinCos2D, PositionEmbeddingType.None,
                FrameEmbeddingType.SinCos1D),
        });
        yield return new("times only", Configs.Of(Configs.None) with
        {
            PositionEmbedding = new(PositionEmbeddingType.None, PositionEmbeddingType.None,
                FrameEmbeddingType.SinCos1D),
        });
        yield return new("times and stored positions", scopes with
        {
            PositionEmbedding = new(PositionEmbeddingType.Stored, PositionEmbeddingType.Stored,
                FrameEmbeddingType.SinCos1D),
        });
        yield return new("everything, with shared keys", scopes with
        {
            PositionEmbedding = anchored with { Frames = FrameEmbeddingType.SinCos1D },
            ShareKeyValues = true,
        });
        foreach ((int headCount, int headSize) in new[] { (4, 31), (3, 20), (1, 72), (1, 132), (1, 260) })
        {
            yield return new($"{headCount} heads of {headSize}", scopes with
            {
                HiddenSize = headCount * headSize,
                AttentionHeadCount = headCount,
                PositionEmbedding = headCount * headSize % 4 != 0 ? scopes.PositionEmbedding
                    : anchored with { Frames = FrameEmbeddingType.SinCos1D },
            });
        }
    }

    /// <summary>A group of frames, or an image.</summary>
    /// <param name="Grids">The grid of each frame.</param>
    /// <param name="TemporalIds">Its temporal id.</param>
    internal sealed record Group(PatchGrid[] Grids, int[] TemporalIds);
}
