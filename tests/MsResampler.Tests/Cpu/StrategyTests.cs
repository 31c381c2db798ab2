using MsResampler.Cpu;
using MsResampler.Planning;

namespace MsResampler.Tests.Cpu;

/// <summary>Each strategy for keys and values on every instruction set, compared with the reference, with everything
/// that a scope depends on: anchors, windows with both border rules, configured, learned and tiny sigmas, and ragged
/// grids.</summary>
[Parallelizable(ParallelScope.All)]
public class StrategyTests
{
    /// <summary>The grids for which each strategy of <see cref="ScopeStrategy.All"/> is suited: all patches seen; one
    /// or two of few patches; one or two of many.</summary>
    private static readonly (QueryGrid Queries, PatchGrid[] Grids)[] s_strategies =
    [
        (new(13, 13), [new(7, 3), new(1, 11), new(11, 12), new(7, 3)]),
        (new(6, 4), [new(4, 4), new(5, 3), new(4, 4)]),
        (new(2, 3), [new(9, 10), new(5, 13), new(1, 40), new(9, 10)]),
    ];

    // Widths that are multiples of 4 for the sine–cosine table but not of a vector, if the heads allow it.
    private static readonly (int HeadCount, int HeadSize)[] s_heads = [(1, 132), (3, 44), (12, 23), (16, 13), (40, 5)];

    private static ResamplerConfig Config(int strategy, int heads)
    {
        bool isGlobal = strategy == 0;
        AxisPair window = new(1, 1);
        return Configs.Of(
            isGlobal ? Configs.Window(50, 60) : Configs.Window(1, 1),
            Configs.Gaussian(1.5, 2.5, isGlobal ? null : window),
            Configs.Gaussian(0.4, 0.3, isGlobal ? null : new AxisPair(0.01, 0.01), ScopeUnits.Fraction)
                with
            { Border = WindowBorder.Shift },
            Configs.Gaussian(1e-3, 1e-3, isGlobal ? null : window),
            isGlobal ? Configs.None : Configs.Window(2, 1, WindowBorder.Shift)) with
        {
            HiddenSize = s_heads[heads].HeadCount * s_heads[heads].HeadSize,
            AttentionHeadCount = s_heads[heads].HeadCount,
            QueryGrid = s_strategies[strategy].Queries,
            ShareQueries = false,
            PositionEmbedding = new(PositionEmbeddingType.SinCos2D, PositionEmbeddingType.SinCos2D),
        };
    }

    private static void AssertAgreement(TestModel model, PatchGrid[] grids, ScopeStrategy? forced = null)
    {
        float[][] features = [.. grids.Select((grid, image) => model.RandomFeatures(grid, image))];
        double[][] expected = [.. grids.Select((grid, image) => model.Reference.Resample(features[image], grid))];
        int tokenCount = expected[0].Length;
        using (Assert.EnterMultipleScope())
        {
            foreach (CpuVariant variant in CpuVariant.All.Where(variant => variant.IsSupported))
            {
                using ModelEngine backend = variant.Create(model.Model, new ResamplerOptions { ThreadCount = 2 },
                    choice => forced ?? choice.Cheapest);
                float[] tokens = new float[grids.Length * tokenCount];
                backend.Resample([.. features.SelectMany(values => values)], grids, tokens, CancellationToken.None);
                for (int image = 0; image < grids.Length; image++)
                    Assert.That(Tolerances.RelativeError(tokens.AsSpan(image * tokenCount, tokenCount),
                        expected[image]),
                        Is.LessThanOrEqualTo(Tolerances.SinglePrecision), $"{variant}, image {image}, {grids[image]}");
            }
        }
    }

    [Test]
    public void Each_strategy_agrees_with_the_reference([Range(0, 2)] int strategy, [Range(0, 4)] int heads)
    {
        using TestModel model =
            new(Config(strategy, heads), new() { LearnedSigmaScopes = [2] }, seed: (ulong)(10 + heads));

        AssertAgreement(model, s_strategies[strategy].Grids, ScopeStrategy.All[strategy]);
    }

    [Test]
    public void Wider_windows_agree_with_the_reference([Range(0, 4)] int heads, [Values] bool isShared)
    {
        // Three by two queries see a few dozen of 300 patches each: partial key tiles, rectangles that are not
        // multiples of a tile, and more keys than one block of the online softmax, including blocks that are masked
        // for some queries.
        ResamplerConfig config = Config(2, heads) with
        {
            Scopes =
            [
                Configs.Window(5, 7), Configs.Gaussian(2, 3, new AxisPair(6, 3)) with { Border = WindowBorder.Shift },
                Configs.Gaussian(3, 1, new AxisPair(19, 17)), Configs.None,
            ],
            ShareKeyValues = isShared,
        };
        using TestModel model = new(config, new() { LearnedSigmaScopes = [1] });

        AssertAgreement(model, [new PatchGrid(15, 20)]);
    }

    [Test]
    public void Forced_strategies_agree_with_each_other([Values] bool isShared)
    {
        using TestModel model = new(Configs.Mixed with { ShareKeyValues = isShared });
        PatchGrid[] grids = [new(9, 7), new(2, 11)];
        float[] features = [.. grids.SelectMany((grid, image) => model.RandomFeatures(grid, image))];
        int tokenCount = model.Model.Config.QueryGrid.QueryCount * model.Model.Config.OutputSize;
        using (Assert.EnterMultipleScope())
        {
            foreach (CpuVariant variant in CpuVariant.All.Where(variant => variant.IsSupported))
            {
                double[]? first = null;
                foreach (ScopeStrategy strategy in ScopeStrategy.All)
                {
                    using ModelEngine backend = variant.Create(model.Model, new() { ThreadCount = 2 }, _ => strategy);
                    float[] tokens = new float[grids.Length * tokenCount];
                    backend.Resample(features, grids, tokens, CancellationToken.None);
                    first ??= [.. tokens.Select(token => (double)token)];

                    Assert.That(backend.Plan(grids[0]).Scopes.Select(scope => new ScopeStrategy(scope.Keys,
                        scope.Values)), Is.All.EqualTo(strategy));
                    Assert.That(Tolerances.RelativeError(tokens, first),
                        Is.LessThanOrEqualTo(Tolerances.TwoSinglePrecisions), $"{variant}, {strategy}");
                }
            }
        }
    }
}
