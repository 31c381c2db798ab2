using MsResampler.Cpu;
using MsResampler.Model;
using MsResampler.Planning;
using MsResampler.Tests.Model;
using MsResampler.Tests.Reference;
using NUnit.Framework;

namespace MsResampler.Tests.Cpu;

/// <summary>Each way of forming keys and values against the reference, on every instruction set, with everything that
/// a scope can depend on: anchors, windows at both borders, configured, learned and tiny sigmas, ragged grids.
/// </summary>
public class StrategyTests
{
    private const ProjectionStrategy Projected = ProjectionStrategy.Projected;
    private const ProjectionStrategy Absorbed = ProjectionStrategy.Absorbed;

    /// <summary>What makes each strategy the cheapest by far: all patches seen; one or two of few patches; one or two
    /// of many.</summary>
    private static readonly (ProjectionStrategy Keys, ProjectionStrategy Values, QueryGrid Queries, PatchGrid[] Grids)[]
        s_strategies =
        [
            (Projected, Projected, new(13, 13), [new(7, 3), new(1, 11), new(11, 12), new(7, 3)]),
            (Absorbed, Projected, new(6, 4), [new(4, 4), new(5, 3), new(4, 4)]),
            (Absorbed, Absorbed, new(2, 3), [new(9, 10), new(5, 13), new(1, 40), new(9, 10)]),
        ];

    // Widths that are multiples of 4 for the sine–cosine table, but not of any vector, where the heads allow it.
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
            PositionEmbedding = new(PositionEmbeddingType.SinCos2D, Keys: true, Queries: true),
        };
    }

    private static void AssertAgreement(TestModel model, PatchGrid[] grids, Action<ModelEngine> check)
    {
        float[][] features = [.. grids.Select((grid, image) => model.RandomFeatures(grid, image))];
        double[][] expected = [.. grids.Select((grid, image) => model.Reference.Resample(features[image], grid))];
        int tokenCount = expected[0].Length;
        using (Assert.EnterMultipleScope())
        {
            foreach (CpuVariant variant in CpuVariant.All.Where(variant => variant.IsSupported))
            {
                using ModelEngine backend = variant.Create(model.Model, new ResamplerOptions { ThreadCount = 2 });
                float[] tokens = new float[grids.Length * tokenCount];
                backend.Resample([.. features.SelectMany(values => values)], grids, tokens, CancellationToken.None);
                check(backend);
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
        PatchGrid[] grids = s_strategies[strategy].Grids;

        // The last scope's window of two patches is left to the planner.
        AssertAgreement(model, grids, backend => Assert.That(
            grids.SelectMany(grid => backend.Plan(grid).Scopes.SkipLast(1)).Select(scope => (scope.Keys, scope.Values)),
            Is.All.EqualTo((s_strategies[strategy].Keys, s_strategies[strategy].Values)), backend.Description));
    }

    [Test]
    public void Wider_windows_agree_with_the_reference([Range(0, 4)] int heads, [Values] bool isShared)
    {
        // Three queries by two see a few dozen of 300 patches each: partial tiles of keys, rectangles that no tile
        // divides, and more keys than one block of an online softmax, with blocks that are masked for some queries.
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

        AssertAgreement(model, [new PatchGrid(15, 20)], _ => { });
    }
}
