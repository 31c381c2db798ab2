using MsResampler.Safetensors;

namespace MsResampler.TestKit;

/// <summary>A configuration, a checkpoint layout and a ragged batch, drawn from a seed.</summary>
internal sealed class RandomCase
{
    /// <summary>Cases from this index on have groups of frames, and positions that differ between keys and
    /// queries.</summary>
    public const int FirstGroupCase = 1_000;

    private const int MaxFrameCount = 5;

    /// <summary>One of this many cases is large enough to reach the blocked code paths.</summary>
    private const int LargeCasePeriod = 32;

    // 1, primes, and the vector and tile widths of a backend with their neighbours.
    private static readonly int[] s_extents = [1, 1, 2, 3, 4, 5, 7, 8, 9, 11, 13, 15, 16, 17];
    private static readonly int[] s_frameExtents = [1, 2, 3, 4, 5, 7, 9];
    private static readonly int[] s_queryExtents = [1, 2, 3, 4, 5, 7, 9];
    private static readonly int[] s_widths = [1, 3, 7, 8, 15, 16, 17, 31, 32, 33, 48, 61, 64, 65, 97];

    // Not 1 or 3: the tokens of an image can be almost equal, and a few values can cancel to almost nothing, which
    // makes their relative error meaningless.
    private static readonly int[] s_outputWidths = [7, .. s_widths[2..]];

    private static readonly int[] s_headSizes = [4, 5, 7, 8, 12, 15, 16, 17, 24, 31, 32, 33, 64];
    private static readonly int[] s_headCounts = [1, 2, 3, 4, 5, 8];

    private readonly Random _random;

    /// <summary>The element types of weights.</summary>
    public static readonly TensorType[] WeightTypes =
        [TensorType.F32, TensorType.F16, TensorType.BF16, TensorType.F64];

    public RandomCase(int index)
    {
        Index = index;
        _random = new Random(index);
        IsLarge = index % LargeCasePeriod == LargeCasePeriod - 1;
        Config = NextConfig();
        if (index >= FirstGroupCase)
            Config = Config with { PositionEmbedding = NextPositions(Config.HiddenSize) };
        Options = NextOptions();
        if (index >= FirstGroupCase)
        {
            FrameCounts = IsLarge ? [2]
                : [.. Enumerable.Range(0, _random.Next(1, 4)).Select(_ => _random.Next(1, MaxFrameCount + 1))];
            Grids = IsLarge ? [new PatchGrid(24, 24), new PatchGrid(7, 9)] : [.. FrameCounts.SelectMany(NextFrames)];
            TemporalIds = [.. Grids.Select(_ => NextTime())];
            return;
        }

        Grids = IsLarge
            ? [new PatchGrid(24, 24)]
            : [.. Enumerable.Range(0, _random.Next(1, 5)).Select(_ => NextGrid())];
    }

    public int Index { get; }

    public bool IsLarge { get; }

    public ResamplerConfig Config { get; }

    public RandomModelOptions Options { get; }

    /// <summary>The grids of the images, or of the frames of all groups.</summary>
    public PatchGrid[] Grids { get; }

    /// <summary>The temporal id of each frame; empty for images.</summary>
    public int[] TemporalIds { get; } = [];

    /// <summary>The number of frames of each group; empty for images.</summary>
    public int[] FrameCounts { get; } = [];

    /// <summary>The frames of a group, within <see cref="Grids"/>.</summary>
    public Range FramesOf(int group)
    {
        int first = FrameCounts[..group].Sum();
        return first..(first + FrameCounts[group]);
    }

    /// <summary>Everything that is needed to reproduce the case.</summary>
    public override string ToString()
    {
        (bool Holds, string Words)[] layout =
        [
            (Options.StackInputProjections, "stacked in_proj"), (Options.OmitKeyValueInput, "no kv_proj"),
            (!Options.HasProjectionBias, "no proj.bias"), (Options.UsePublishedNames, "published names"),
        ];
        string special = string.Concat(layout.Where(option => option.Holds).Select(option => option.Words + ", "));
        string groups = FrameCounts.Length == 0 ? ""
            : $" in groups of {string.Join(", ", FrameCounts)} with ids {string.Join(", ", TemporalIds)}";
        return $"case {Index}: grids {string.Join(", ", Grids)}{groups}; {Options.Type}, prefix " +
            $"'{Options.Prefix}', {special}log_sigma of scopes [{string.Join(", ", Options.LearnedSigmaScopes)}]; " +
            ConfigJson.Of(Config);
    }

    private ResamplerConfig NextConfig()
    {
        int scopeCount = IsLarge ? 3 : _random.Next(1, 6);
        (int headCount, int headSize) = IsLarge ? (_random.Next(2) == 0 ? (8, 32) : (4, 64)) : NextHeads();
        int width = headCount * headSize;
        PositionEmbeddingType position = NextEnum<PositionEmbeddingType>();
        if (position == PositionEmbeddingType.SinCos2D && width % 4 != 0)
            position = PositionEmbeddingType.None;
        bool hasPosition = position != PositionEmbeddingType.None;
        return new ResamplerConfig
        {
            VisionHiddenSize = IsLarge ? 200 : NextBool() ? width : NextOf(s_widths),
            HiddenSize = width,
            AttentionHeadCount = headCount,
            QueryGrid = IsLarge
                ? new QueryGrid(12, 12)
                : new QueryGrid(NextOf(s_queryExtents), NextOf(s_queryExtents)),
            OutputSize = NextOf(s_outputWidths),
            Scopes = [.. Enumerable.Range(0, scopeCount).Select(NextScope)],
            ShareQueries = NextBool(),
            ShareKeyValues = NextBool(),
            PositionEmbedding = new(hasPosition && NextBool() ? position : PositionEmbeddingType.None,
                hasPosition && NextBool() ? position : PositionEmbeddingType.None),
            Gate = scopeCount == 1 ? null : new GateConfig(NextOf(s_widths), NextEnum<GateGranularity>()),
            LayerNormEpsilon = NextBool() ? 1e-6 : 1e-5,
            TorchDType = WeightType.Float32,
        };
    }

    private PositionEmbeddingConfig NextPositions(int width)
    {
        PositionEmbeddingType NextSide()
        {
            PositionEmbeddingType type = NextEnum<PositionEmbeddingType>();
            return type == PositionEmbeddingType.SinCos2D && width % 4 != 0 ? PositionEmbeddingType.Stored : type;
        }

        return new PositionEmbeddingConfig(NextSide(), NextSide(),
            width % 4 == 0 ? NextEnum<FrameEmbeddingType>() : FrameEmbeddingType.None);
    }

    /// <summary>The grids of a group: all equal, or each drawn.</summary>
    private IEnumerable<PatchGrid> NextFrames(int count)
    {
        bool areEqual = NextBool();
        PatchGrid grid = NextFrame();
        return [.. Enumerable.Range(0, count).Select(_ => areEqual ? grid : NextFrame())];

        PatchGrid NextFrame() => new(NextOf(s_frameExtents), NextOf(s_frameExtents));
    }

    private int NextTime() => _random.Next(4) switch
    {
        0 => -1,
        1 => _random.Next(1_000, 100_000),
        _ => _random.Next(8),
    };

    // Widths of 16 to 136 in small cases. With fewer than 16 channels the norm can cancel by chance.
    private (int HeadCount, int HeadSize) NextHeads()
    {
        while (true)
        {
            int headCount = NextOf(s_headCounts);
            int headSize = NextOf(s_headSizes);
            if (headCount * headSize is >= 16 and <= 136)
                return (headCount, headSize);
        }
    }

    private ScopeConfig NextScope(int index)
    {
        ScopePrior prior = NextEnum<ScopePrior>();
        ScopeUnits units = NextEnum<ScopeUnits>();
        bool hasWindow = prior switch
        {
            ScopePrior.None => false,
            ScopePrior.Window => true,
            ScopePrior.Gaussian => NextBool(),
            _ => throw new InvalidOperationException($"{prior}: expected a prior that this class draws fields for"),
        };
        return new ScopeConfig
        {
            Name = $"scope {index}",
            Prior = prior,
            Units = units,
            Window = !hasWindow ? null : units == ScopeUnits.Patches
                ? new AxisPair(_random.Next(1, 12), _random.Next(1, 12))
                : new AxisPair(0.01 + (1.2 * _random.NextDouble()), 0.01 + (1.2 * _random.NextDouble())),
            Border = hasWindow ? NextEnum<WindowBorder>() : WindowBorder.Clip,
            Sigma = prior != ScopePrior.Gaussian ? null : units == ScopeUnits.Patches
                ? new AxisPair(0.5 + (6 * _random.NextDouble()), 0.5 + (6 * _random.NextDouble()))
                : new AxisPair(0.1 + _random.NextDouble(), 0.1 + _random.NextDouble()),
        };
    }

    private RandomModelOptions NextOptions() => new()
    {
        Type = NextOf(WeightTypes),
        Prefix = NextOf(["", "", "resampler.", "model.vision.resampler."]),
        StackInputProjections = NextBool(),
        OmitKeyValueInput = Config.VisionHiddenSize == Config.HiddenSize && NextBool(),
        HasProjectionBias = NextBool(),
        UsePublishedNames = Config.Scopes.Count == 1 && NextBool(),
        LearnedSigmaScopes = [.. Enumerable.Range(0, Config.Scopes.Count)
            .Where(scope => Config.Scopes[scope].Prior == ScopePrior.Gaussian && NextBool())],
    };

    private PatchGrid NextGrid() => _random.Next(12) switch
    {
        0 => new PatchGrid(1, 61),
        1 => new PatchGrid(67, 1),
        _ => new PatchGrid(NextOf(s_extents), NextOf(s_extents)),
    };

    private bool NextBool() => _random.Next(2) == 0;

    private T NextOf<T>(T[] choices) => choices[_random.Next(choices.Length)];

    private T NextEnum<T>()
        where T : struct, Enum => NextOf(Enum.GetValues<T>());
}
