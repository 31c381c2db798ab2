using MsResampler.Cpu;
using MsResampler.Planning;
using MsResampler.Tests.Onnx;
using MsResampler.Tests.Reference;

namespace MsResampler.Tests.Parity;

/// <summary>Extreme sigmas are equivalent to models without a Gaussian. With the smallest, the patch nearest to the
/// anchor has all the weight, and equally near patches share it according to their logits; with the largest, the
/// Gaussian has no effect.</summary>
public class SigmaTests
{
    /// <summary>Rows of 4 patches with anchors 0.5 and 2.5, between two patches; columns of 9 with anchors 1, 4 and
    /// 7, on a patch.</summary>
    private static readonly PatchGrid s_grid = new(4, 9);

    private static readonly AxisPair s_nearest = new(2, 1);

    private static readonly double[] s_small = [1e-4, 1e-6, 1e-7, 1e-8, 1e-15, 1e-20, 1e-160, 1e-200, 1e-320,
        double.Epsilon];

    private static readonly double[] s_smallLogs = [-10, -15, -16, -30, -100, -400, -744, -800, -1e30];

    private static ResamplerConfig Config(ScopeConfig scope) => Configs.Of(scope, Configs.None) with
    {
        QueryGrid = new QueryGrid(2, 3),
    };

    /// <summary>A model with one given scope and a global one. All models have the same weights.</summary>
    private static TestModel Model(ScopeConfig scope, Func<long, float>? logSigma = null)
    {
        Dictionary<string, RandomTensor> weights = RandomModel.CreateTensors(Config(Configs.None), 1, new())
            .ToDictionary(tensor => tensor.Name);
        return new TestModel(Config(scope), new() { LearnedSigmaScopes = logSigma is null ? [] : [0] },
            edit: tensor => logSigma is not null && tensor.Name == "scopes.0.log_sigma"
                ? tensor with { ValueAt = logSigma } : weights[tensor.Name]);
    }

    private static ScopeConfig Gaussian(double sigma, bool hasWindow) => Configs.Gaussian(sigma, sigma,
        hasWindow ? new AxisPair(3, 4) : null);

    /// <summary>Compares all implementations with the reference on a model without a Gaussian.</summary>
    private static void AssertEqual(TestModel model, ScopeConfig without)
    {
        using TestModel plain = Model(without);
        float[] features = model.RandomFeatures(s_grid, seed: 1);
        double[] expected = plain.Reference.Resample(features, s_grid);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Tolerances.RelativeError(model.Reference.Resample(features, s_grid), expected),
                Is.LessThanOrEqualTo(Tolerances.DoublePrecision), "reference");
            foreach (CpuVariant variant in CpuVariant.All.Where(variant => variant.IsSupported))
            {
                foreach (ScopeStrategy strategy in ScopeStrategy.All)
                {
                    using ModelEngine engine = variant.Create(model.Model, new(), _ => strategy);
                    float[] tokens = new float[expected.Length];
                    engine.Resample(features, [s_grid], tokens, CancellationToken.None);
                    Assert.That(Tolerances.RelativeError(tokens, expected),
                        Is.LessThanOrEqualTo(Tolerances.SinglePrecision), $"{variant}, {strategy}");
                }
            }

            using OnnxRun graph = OnnxRun.Of(model.Model, s_grid);
            Assert.That(Tolerances.RelativeError(
                graph.Tokens(features, 1, s_grid, model.Model.Config.VisionHiddenSize), expected),
                Is.LessThanOrEqualTo(Tolerances.SinglePrecision), "graph");
        }
    }

    [Test]
    public void A_small_sigma_keeps_only_the_nearest_patches([ValueSource(nameof(s_small))] double sigma,
        [Values] bool hasWindow)
    {
        using TestModel model = Model(Gaussian(sigma, hasWindow));
        AssertEqual(model, Configs.Window(s_nearest.Rows, s_nearest.Columns));
    }

    [Test]
    public void A_small_learned_sigma_keeps_only_the_nearest_patches([ValueSource(nameof(s_smallLogs))] double logSigma)
    {
        using TestModel model = Model(Gaussian(1, hasWindow: false), _ => (float)logSigma);
        AssertEqual(model, Configs.Window(s_nearest.Rows, s_nearest.Columns));
    }

    [Test]
    public void A_small_fraction_keeps_only_the_nearest_patches([Values(1e-7, 1e-320)] double sigma)
    {
        using TestModel model = Model(Configs.Gaussian(sigma, sigma, units: ScopeUnits.Fraction));
        AssertEqual(model, Configs.Window(s_nearest.Rows, s_nearest.Columns));
    }

    [Test]
    public void A_large_sigma_has_no_effect([Values(1e10, 1e160, double.MaxValue)] double sigma)
    {
        using TestModel model = Model(Gaussian(sigma, hasWindow: false));
        AssertEqual(model, Configs.None);
    }

    [Test]
    public void A_large_learned_sigma_has_no_effect([Values(24, 400, 800, 1e30)] double logSigma)
    {
        using TestModel model = Model(Gaussian(1, hasWindow: false), _ => (float)logSigma);
        AssertEqual(model, Configs.None);
    }

    [Test]
    public void The_axes_may_have_opposite_extreme_sigmas()
    {
        using TestModel model = Model(Configs.Gaussian(1e-200, 1e200));
        AssertEqual(model, Configs.Window(2, 99));
    }

    [Test]
    public void Heads_with_extreme_sigmas_have_the_maps_of_a_window_or_none()
    {
        using TestModel model = Model(Gaussian(1, hasWindow: false), index => index / 2 == 1 ? -800 : 800);
        using TestModel window = Model(Configs.Window(s_nearest.Rows, s_nearest.Columns));
        using TestModel none = Model(Configs.None);
        float[] features = model.RandomFeatures(s_grid, seed: 2);
        using (Assert.EnterMultipleScope())
        {
            foreach (Implementation implementation in Enum.GetValues<Implementation>())
            {
                for (int head = 0; head < 3; head++)
                {
                    double[] expected = (head == 1 ? window : none).Reference.Explain(features, s_grid)
                        .Attention(0, head);
                    Assert.That(Tolerances.RelativeError(implementation.Attention(model, features, s_grid, 0, head),
                        expected), Is.LessThanOrEqualTo(implementation.Tolerance()), $"{implementation}, head {head}");
                }
            }
        }
    }

    /// <summary>Converters and quantisers need a table without infinities and NaN in which one patch per query is
    /// 0.</summary>
    [Test]
    public void The_exported_prior_is_finite([Values(2, 1e-3, 1e-200, double.Epsilon)] double sigma,
        [Values] bool hasWindow)
    {
        using TestModel model = Model(Gaussian(sigma, hasWindow));
        float[] prior = OnnxGraphTests.Prior(model.Model, s_grid, scope: 0);

        Assert.That(prior, Has.Length.EqualTo(6 * 36).And.All.Matches<float>(float.IsFinite)
            .And.All.LessThanOrEqualTo(0));
        foreach (float[] query in prior.Chunk(36))
            Assert.That(query.Count(value => value == 0), Is.EqualTo(2), "rows equally near");
    }
}
