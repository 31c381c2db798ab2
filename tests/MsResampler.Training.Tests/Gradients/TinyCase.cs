namespace MsResampler.Training.Tests.Gradients;

/// <summary>A configuration, its parameters and a ragged batch, drawn from a seed and so small that thousands of
/// evaluations of the reference take a fraction of a second.</summary>
internal sealed class TinyCase
{
    /// <summary>Cases from this index on have groups of frames.</summary>
    public const int FirstGroupCase = 140;

    /// <summary>The number of cases.</summary>
    public const int Count = 240;

    private static readonly int[] s_extents = [1, 1, 2, 3, 4, 5, 6];
    private static readonly int[] s_queryExtents = [1, 1, 2, 3, 4];
    private static readonly int[] s_headCounts = [1, 2, 3, 4, 5];
    private static readonly int[] s_headSizes = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 17, 24];

    private readonly Random _random;

    public TinyCase(int index)
    {
        Index = index;
        _random = new Random(index);
        Config = NextConfig();
        Options = new RandomModelOptions
        {
            OmitKeyValueInput = Config.VisionHiddenSize == Config.HiddenSize && NextBool(),
            HasProjectionBias = NextBool(),
            LearnedSigmaScopes = [.. Enumerable.Range(0, Config.Scopes.Count)
                .Where(scope => Config.Scopes[scope].Prior == ScopePrior.Gaussian && _random.Next(4) > 0)],
        };
        if (index < FirstGroupCase)
        {
            Grids = [.. Enumerable.Range(0, _random.Next(1, 4)).Select(_ => NextGrid())];
            return;
        }

        FrameCounts = [.. Enumerable.Range(0, _random.Next(1, 3)).Select(_ => _random.Next(1, 4))];
        Grids = [.. Enumerable.Range(0, FrameCounts.Sum()).Select(_ => NextGrid())];
        TemporalIds = [.. Grids.Select(_ => _random.Next(4) switch
        {
            0 => -1,
            1 => _random.Next(1_000, 100_000),
            _ => _random.Next(8),
        })];
    }

    public int Index { get; }

    public ResamplerConfig Config { get; }

    public RandomModelOptions Options { get; }

    /// <summary>The grids of the images, or of the frames of all groups.</summary>
    public PatchGrid[] Grids { get; }

    /// <summary>The temporal id of each frame; empty for images.</summary>
    public int[] TemporalIds { get; } = [];

    /// <summary>The number of frames of each group; empty for images.</summary>
    public int[] FrameCounts { get; } = [];

    /// <summary>The images or groups.</summary>
    public FrameGroups Groups
        => FrameCounts.Length == 0 ? new FrameGroups(Grids) : new FrameGroups(Grids, TemporalIds, FrameCounts);

    /// <summary>Whether scopes can absorb keys and values in images.</summary>
    public static bool CanAbsorb(ResamplerConfig config)
        => config.Scopes.Any(scope => scope.Window is not null)
            && (config.Scopes.Count == 1 || !config.ShareKeyValues)
            && config.PositionEmbedding.Keys != PositionEmbeddingType.Stored;

    /// <summary>The parameters. In a third of the cases the queries are projected to three times the length, so that
    /// some weights of attention are near 1 and others near 0.</summary>
    public DoubleModel CreateModel()
    {
        DoubleModel model = new(Config, Options, seed: (ulong)Index);
        if (Index % 3 == 0)
        {
            for (int scope = 0; scope < Config.Scopes.Count; scope++)
            {
                double[] values = model[$"scopes.{scope}.attn.q_proj.weight"];
                for (int index = 0; index < values.Length; index++)
                    values[index] *= 3;
            }
        }

        // Single precision, so that trainer and reference have the same values.
        return new DoubleModel(model.ToTrainable());
    }

    /// <summary>Features of unit variance for all frames.</summary>
    public double[] CreateFeatures() => RandomLoss.Normal(new Random(1_000 + Index),
        (int)Grids.Sum(grid => grid.PatchCount) * Config.VisionHiddenSize, isSingle: true);

    /// <summary>A loss on the tokens.</summary>
    public RandomLoss CreateLoss() => new(seed: 2_000 + Index,
        Groups.GroupCount * Config.QueryGrid.QueryCount * Config.OutputSize);

    /// <summary>Everything that is needed to reproduce the case.</summary>
    public override string ToString()
    {
        string groups = FrameCounts.Length == 0 ? ""
            : $" in groups of {string.Join(", ", FrameCounts)} with ids {string.Join(", ", TemporalIds)}";
        string missing = (Options.OmitKeyValueInput ? "no kv_proj, " : "")
            + (Options.HasProjectionBias ? "" : "no proj.bias, ");
        return $"case {Index}: grids {string.Join(", ", Grids)}{groups}; {missing}" +
            $"log_sigma of scopes [{string.Join(", ", Options.LearnedSigmaScopes)}]; {ConfigJson.Of(Config)}";
    }

    private ResamplerConfig NextConfig()
    {
        int scopeCount = _random.Next(1, 5);
        (int headCount, int headSize) = NextHeads();
        int width = headCount * headSize;
        return new ResamplerConfig
        {
            VisionHiddenSize = _random.Next(3) == 0 ? width : _random.Next(1, 12),
            HiddenSize = width,
            AttentionHeadCount = headCount,
            QueryGrid = new QueryGrid(NextOf(s_queryExtents), NextOf(s_queryExtents)),
            OutputSize = _random.Next(1, 10),
            Scopes = [.. Enumerable.Range(0, scopeCount).Select(NextScope)],
            ShareQueries = NextBool(),
            ShareKeyValues = NextBool(),
            PositionEmbedding = new(NextPosition(width), NextPosition(width),
                width % 2 == 0 && Index >= FirstGroupCase ? NextEnum<FrameEmbeddingType>() : FrameEmbeddingType.None),
            Gate = scopeCount == 1 ? null : new GateConfig(_random.Next(1, 8), NextEnum<GateGranularity>()),
            LayerNormEpsilon = NextBool() ? 1e-6 : 1e-5,
            TorchDType = WeightType.Float32,
        };
    }

    private PositionEmbeddingType NextPosition(int width)
    {
        PositionEmbeddingType type = NextEnum<PositionEmbeddingType>();
        return type == PositionEmbeddingType.SinCos2D && width % 4 != 0 ? PositionEmbeddingType.Stored : type;
    }

    private (int HeadCount, int HeadSize) NextHeads()
    {
        while (true)
        {
            int headCount = NextOf(s_headCounts);
            int headSize = NextOf(s_headSizes);
            if (headCount * headSize is >= 4 and <= 24)
                return (headCount, headSize);
        }
    }

    private ScopeConfig NextScope(int index)
    {
        ScopePrior prior = NextEnum<ScopePrior>();
        ScopeUnits units = NextEnum<ScopeUnits>();
        bool hasWindow = prior == ScopePrior.Window || (prior == ScopePrior.Gaussian && NextBool());
        return new ScopeConfig
        {
            Name = $"scope {index}",
            Prior = prior,
            Units = units,
            Window = !hasWindow ? null : units == ScopeUnits.Patches
                ? new AxisPair(_random.Next(1, 6), _random.Next(1, 6))
                : new AxisPair(0.01 + (1.2 * _random.NextDouble()), 0.01 + (1.2 * _random.NextDouble())),
            Border = hasWindow ? NextEnum<WindowBorder>() : WindowBorder.Clip,
            Sigma = prior != ScopePrior.Gaussian ? null : units == ScopeUnits.Patches
                ? new AxisPair(0.5 + (4 * _random.NextDouble()), 0.5 + (4 * _random.NextDouble()))
                : new AxisPair(0.1 + _random.NextDouble(), 0.1 + _random.NextDouble()),
        };
    }

    private PatchGrid NextGrid() => _random.Next(12) switch
    {
        0 => new PatchGrid(1, 17),
        1 => new PatchGrid(19, 1),
        _ => new PatchGrid(NextOf(s_extents), NextOf(s_extents)),
    };

    private bool NextBool() => _random.Next(2) == 0;

    private T NextOf<T>(T[] choices) => choices[_random.Next(choices.Length)];

    private T NextEnum<T>()
        where T : struct, Enum => NextOf(Enum.GetValues<T>());
}
