using MsResampler.Model;
using MsResampler.Scenes;
using MsResampler.Training;

namespace MsResampler.Claim.Arms;

/// <summary>The arms of the experiment. All have the same number of tokens and the same token size.</summary>
internal static class ArmList
{
    /// <summary>The single global scope that the others are compared with.</summary>
    public const string Baseline = "global";

    /// <summary>Three scopes with a gate.</summary>
    public const string Scopes = "scopes";

    /// <summary>D of the baseline and of the arms with scopes; the wider arms have more.</summary>
    private const int Width = 64;

    private const int HeadSize = 16;
    private const int GateWidth = 64;
    private const int PooledWidth = 192;

    // Fractions of the 16×16 patches at scale 1: 6, 9, 12 patches; a query has 16/3 = 5.3 patches of its own.
    private const double Narrow = 0.375;
    private const double Middle = 0.5625;
    private const double Wide = 0.75;
    private const double RegionSigma = 0.25;

    /// <summary>The common start of the learned sigmas, in fractions of the canvas.</summary>
    public const double StartSigma = 0.25;

    /// <summary>Smaller sigmas are called local: half the height of the Gaussian is within a cell of the
    /// middle.</summary>
    public const double LocalBound = 0.2;

    /// <summary>Larger sigmas are called global: at a distance of half the canvas, the Gaussian still has 0.6 of its
    /// height.</summary>
    public const double GlobalBound = 0.5;

    private static readonly ScopeConfig s_global = new() { Name = "global", Prior = ScopePrior.None };

    private static readonly ScopeConfig[] s_scopes =
        [Window("local", Narrow), Gaussian("region", RegionSigma, Wide), s_global];

    private static readonly ResamplerConfig s_ours = Config(Width, s_scopes);

    private static readonly long s_parameters = CostOf(s_ours).ParameterCount;

    private static readonly long s_work = CostOf(s_ours).Work;

    /// <summary>All arms, in the order of tables.</summary>
    public static IReadOnlyList<Arm> All { get; } =
    [
        Scoped(Baseline, "one global scope (baseline)", "a resampler whose queries see every patch",
            Config(Width, s_global)),
        Scoped("global-parameters", "one global scope, equal parameters",
            $"the baseline with more heads of the same size, so that it has at least as many parameters as `{Scopes}`",
            Widened([s_global], config => CostOf(config).ParameterCount, s_parameters)),
        Scoped("global-work", "one global scope, equal multiply-adds",
            $"the baseline with more heads, so that it has at least as many multiply-adds as `{Scopes}`",
            Widened([s_global], config => CostOf(config).Work, s_work)),
        Pooled(),
        Scoped("window", "one local window", $"one scope whose queries see the window of `{Scopes}`' local scope",
            Config(Width, Window("local", Narrow))),
        Scoped("window-parameters", "one local window, equal parameters",
            $"the same with more heads, so that it has at least as many parameters as `{Scopes}`",
            Widened([Window("local", Narrow)], config => CostOf(config).ParameterCount, s_parameters)),
        Scoped("windows", "windows only + gate",
            $"three windows of {Narrow}, {Middle} and {Wide} of the canvas, and a gate",
            Config(Width, Window("local", Narrow), Window("middle", Middle), Window("wide", Wide))),
        Scoped(Scopes, "three scopes + gate (ours)", $"a window of {Narrow} of the canvas, a Gaussian of sigma " +
            $"{RegionSigma} in a window of {Wide}, and the whole canvas, each with its own projections; a gate per " +
            "token", s_ours),
        Scoped("mean", "three scopes, mean", $"the scopes of `{Scopes}` with equal weights in place of the gate",
            s_ours, prepare: FreezeGate),
        Scoped("sigma", "three learned sigmas + gate", "three Gaussian scopes without windows, whose sigmas per " +
            $"head and axis all start at {StartSigma} of the canvas and are learned",
            Config(Width, Gaussian("first", StartSigma), Gaussian("second", StartSigma),
                Gaussian("third", StartSigma)), learnsSigmas: true),
        Scoped("shuffled", "three scopes + gate, shuffled", $"`{Scopes}` with windows and Gaussians over patches in " +
            "a fixed random order: as many patches, from anywhere; keys keep their true positions", s_ours, Shuffle()),
    ];

    /// <summary>The arm of a name.</summary>
    /// <exception cref="ArgumentException">There is none.</exception>
    public static Arm Find(string name) => All.FirstOrDefault(arm => arm.Name == name)
        ?? throw new ArgumentException($"arm '{name}': expected one of " +
            string.Join(", ", All.Select(arm => arm.Name)));

    private static Arm Scoped(string name, string title, string description, ResamplerConfig config,
        int[]? places = null, bool learnsSigmas = false, Action<TrainableModel>? prepare = null)
    {
        return new Arm(name, title, description, config.HiddenSize, CostOf(Create(0)), seed => Wrap(Create(seed)))
        {
            InPatches = places is null && config.Scopes.Any(scope => scope.Units == ScopeUnits.Fraction)
                ? trained => Wrap(Rescale.ToPatches(((ScopedModel)trained).Model)) : null,
            ScopeNames = [.. config.Scopes.Select(scope => scope.Name)],
            IsSizeFixed = places is not null,
        };

        TrainableModel Create(ulong seed)
        {
            TrainableModel model = TrainableModel.Create(config, seed, learnsSigmas);
            prepare?.Invoke(model);
            return model;
        }

        ScopedModel Wrap(TrainableModel model) => new(model, places);
    }

    private static Arm Pooled()
    {
        PooledSizes sizes = Enumerable.Range(1, int.MaxValue)
            .Select(hidden => new PooledSizes(SceneLayout.FeatureSize, PooledWidth, hidden, Arm.TokenSize))
            .First(sizes => sizes.ParameterCount >= s_parameters);
        ArmCost cost = new(sizes.ParameterCount, sizes.Work(Arm.Queries, SceneLayout.Grid(1)));
        return new Arm("pool", "average pooling + MLP", "a layer per patch with positions, the mean over the " +
            $"patches in the cell of a query, and a perceptron, with at least as many parameters as `{Scopes}`",
            PooledWidth, cost,
            seed => new PooledModel(Arm.Queries, sizes, seed));
    }

    // The places of the patches in a fixed random order: windows then hold patches from anywhere, whose keys keep their
    // true positions.
    private static int[] Shuffle()
    {
        int[] places = [.. Enumerable.Range(0, (int)SceneLayout.Grid(1).PatchCount)];
        new SceneRandom(seed: 7, index: 0, purpose: 0).Shuffle(places.AsSpan());
        return places;
    }

    // The gate's last layer is zero, so that every scope has the same weight.
    private static void FreezeGate(TrainableModel model)
    {
        foreach (TrainableTensor tensor in model.Tensors)
            tensor.IsFrozen = tensor.Name.StartsWith("gate.", StringComparison.Ordinal);
    }

    // The narrowest model with at least a given cost. Heads keep their size: a wider model has more of them.
    private static ResamplerConfig Widened(ScopeConfig[] scopes, Func<ResamplerConfig, long> cost, long least)
        => Enumerable.Range(Width / HeadSize, int.MaxValue / HeadSize / 2)
            .Select(heads => Config(heads * HeadSize, scopes)).First(config => cost(config) >= least);

    private static ArmCost CostOf(ResamplerConfig config) => CostOf(TrainableModel.Create(config, 0));

    private static ArmCost CostOf(TrainableModel model) => ArmCost.Of(model.Config, model.Tensors);

    private static ScopeConfig Window(string name, double extent) => new()
    {
        Name = name,
        Prior = ScopePrior.Window,
        Window = new AxisPair(extent, extent),
        Units = ScopeUnits.Fraction,
    };

    private static ScopeConfig Gaussian(string name, double sigma, double? window = null) => new()
    {
        Name = name,
        Prior = ScopePrior.Gaussian,
        Sigma = new AxisPair(sigma, sigma),
        Window = window is { } extent ? new AxisPair(extent, extent) : null,
        Units = ScopeUnits.Fraction,
    };

    private static ResamplerConfig Config(int width, params ScopeConfig[] scopes) => new()
    {
        VisionHiddenSize = SceneLayout.FeatureSize,
        HiddenSize = width,
        AttentionHeadCount = width / HeadSize,
        QueryGrid = Arm.Queries,
        OutputSize = Arm.TokenSize,
        Scopes = scopes,
        ShareQueries = true,
        ShareKeyValues = false,
        PositionEmbedding = new PositionEmbeddingConfig(PositionEmbeddingType.SinCos2D, PositionEmbeddingType.None),
        Gate = scopes.Length > 1 ? new GateConfig(GateWidth, GateGranularity.Token) : null,
        LayerNormEpsilon = 1e-6,
        TorchDType = WeightType.Float32,
    };
}
