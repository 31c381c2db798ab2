using MsResampler.Cpu;
using MsResampler.Planning;
using MsResampler.Reference;

namespace MsResampler.Tests.Parity;

/// <summary>Groups of frames on every instruction set and with every strategy, compared with the reference.</summary>
[Parallelizable(ParallelScope.All)]
public class FrameGroupParityTests
{
    private const PositionEmbeddingType SinCos = PositionEmbeddingType.SinCos2D;
    private const PositionEmbeddingType None = PositionEmbeddingType.None;

    private static readonly ResamplerConfig s_mixed = Configs.Mixed with
    {
        PositionEmbedding = new(SinCos, None, FrameEmbeddingType.SinCos1D),
    };

    /// <summary>Gaussians of every kind, and with sigmas so small that one frame has all the weight.</summary>
    private static readonly ResamplerConfig s_gaussians = Configs.Mixed with
    {
        Scopes =
        [
            Configs.Gaussian(1.5, 2.5), Configs.Gaussian(0.7, 0.9, new AxisPair(3, 2)),
            Configs.Gaussian(0.2, 0.1, new AxisPair(0.4, 0.5), ScopeUnits.Fraction) with
            { Border = WindowBorder.Shift },
            Configs.Gaussian(1e-3, 1e-3), Configs.Gaussian(1e-4, 2),
        ],
        ShareQueries = false,
    };

    private static readonly Dictionary<string, (ResamplerConfig Config, RandomModelOptions Options)> s_models = new()
    {
        ["mixed"] = (s_mixed, new()),
        ["shared keys and values"] = (s_mixed with { ShareKeyValues = true }, new()),
        ["time without places"] = (s_mixed with { PositionEmbedding = new(None, None, FrameEmbeddingType.SinCos1D) },
            new()),
        ["no positions"] = (s_mixed with { PositionEmbedding = new(None, None) }, new()),
        ["stored positions"] = (s_mixed with
        {
            PositionEmbedding = new(PositionEmbeddingType.Stored, PositionEmbeddingType.Stored,
                FrameEmbeddingType.SinCos1D),
        }, new()),
        ["anchored queries"] = (s_mixed with
        {
            PositionEmbedding = new(SinCos, SinCos, FrameEmbeddingType.SinCos1D),
        }, new()),
        ["anchored queries, shared keys"] = (s_mixed with
        {
            PositionEmbedding = new(None, SinCos),
            ShareKeyValues = true,
        }, new()),
        ["Gaussians"] = (s_gaussians, new()),
        ["learned Gaussians"] = (s_gaussians, new() { LearnedSigmaScopes = [1, 2] }),
        ["one scope"] = (Configs.Of(Configs.None) with
        {
            PositionEmbedding = new(SinCos, None, FrameEmbeddingType.SinCos1D),
        }, new() { OmitKeyValueInput = false }),
        ["one window, wide heads"] = (Configs.Of(Configs.Window(2, 1, WindowBorder.Shift)) with
        {
            HiddenSize = 140,
            AttentionHeadCount = 2,
        }, new()),
    };

    private static IEnumerable<string> Models => s_models.Keys;

    /// <summary>Key biases of ordinary size hardly change tokens; these are as large as a logit.</summary>
    internal static TestModel Load(string name) => new(s_models[name].Config, s_models[name].Options,
        edit: tensor => tensor.Name.EndsWith("k_proj.bias", StringComparison.Ordinal)
            ? tensor with { ValueAt = index => 15 * tensor.ValueAt(index) } : tensor);

    [Test]
    public void Groups_agree_with_the_reference([ValueSource(nameof(Models))] string name, [Range(-1, 2)] int strategy)
    {
        using TestModel model = Load(name);
        FrameGroupCase @case = new(model, FrameGroupCase.Ragged);
        int[] all = [.. Enumerable.Range(0, @case.Groups.Length)];
        double[][] expected = [.. all.Select(group => @case.Reference(group).Tokens)];
        using (Assert.EnterMultipleScope())
        {
            foreach (CpuVariant variant in CpuVariant.All.Where(variant => variant.IsSupported))
            {
                using ModelEngine engine = variant.Create(model.Model, new ResamplerOptions { ThreadCount = 2 },
                    strategy < 0 ? null : _ => ScopeStrategy.All[strategy]);
                float[][] tokens = @case.Resample(engine, all);
                for (int group = 0; group < all.Length; group++)
                    Assert.That(Tolerances.RelativeError(tokens[group], expected[group]),
                        Is.LessThanOrEqualTo(Tolerances.SinglePrecision), $"{variant}, group {group}");
            }
        }
    }

    [Test]
    public void Maps_agree_with_the_reference([ValueSource(nameof(Models))] string name)
    {
        using TestModel model = Load(name);
        FrameGroupCase @case = new(model, FrameGroupCase.Ragged);
        using ModelEngine engine = CpuVariant.Choose().Create(model.Model, new ResamplerOptions());
        using (Assert.EnterMultipleScope())
        {
            for (int group = 0; group < @case.Groups.Length; group++)
            {
                Explanation actual = @case.Explain(engine, group);
                ReferenceExplanation expected = @case.Reference(group);
                Assert.That(Tolerances.RelativeError(actual.Gate, expected.Gate),
                    Is.LessThanOrEqualTo(Tolerances.SinglePrecision));
                for (int scope = 0; scope < model.Model.Config.Scopes.Count; scope++)
                    for (int head = 0; head < model.Model.Config.AttentionHeadCount; head++)
                        AssertMaps(actual, expected, scope, head, $"group {group}, scope {scope}, head {head}");
            }
        }
    }

    /// <summary>The distances along one axis are equal and, in units of sigma, huge or beyond the range of
    /// double.</summary>
    [Test]
    public void Frames_at_equal_distances_along_one_axis_differ_by_the_other([Values(1e-7, 1e-12, 1e-200)] double sigma)
    {
        using TestModel model = new(Configs.Of(Configs.Gaussian(sigma, sigma), Configs.Gaussian(sigma, 1),
            Configs.Gaussian(1, sigma)) with
        {
            QueryGrid = new QueryGrid(1, 1),
        });
        // The anchor is half a patch from the nearest row of both, on a column of the first, between two of the second.
        FrameGroupCase @case = new(model, [[(new(4, 5), -1), (new(4, 6), -1)], [(new(5, 4), -1), (new(6, 4), -1)]]);
        ReferenceExplanation[] expected = [@case.Reference(0), @case.Reference(1)];
        using (Assert.EnterMultipleScope())
        {
            foreach (ReferenceExplanation group in expected)
                Assert.That(group.Attention(0, 0, 1), Is.All.Zero, "the second frame is further away");
            foreach (CpuVariant variant in CpuVariant.All.Where(variant => variant.IsSupported))
            {
                using ModelEngine engine = variant.Create(model.Model, new ResamplerOptions());
                float[][] tokens = @case.Resample(engine, 0, 1);
                for (int group = 0; group < tokens.Length; group++)
                    Assert.That(Tolerances.RelativeError(tokens[group], expected[group].Tokens),
                        Is.LessThanOrEqualTo(Tolerances.SinglePrecision), $"{variant}, group {group}");
            }
        }
    }

    private static void AssertMaps(Explanation actual, ReferenceExplanation expected, int scope, int head, string where)
    {
        int frameCount = actual.Grids.Count;
        Assert.That(actual.Grids, Is.EqualTo(expected.Grids));
        float[] weights = [.. Enumerable.Range(0, frameCount).SelectMany(frame
            => actual.Attention(scope, head, frame).ToArray())];
        double[] reference = [.. Enumerable.Range(0, frameCount).SelectMany(frame
            => expected.Attention(scope, head, frame))];
        Assert.That(Tolerances.RelativeError(weights, reference), Is.LessThanOrEqualTo(Tolerances.SinglePrecision),
            where);
        for (int query = 0; query < actual.QueryCount; query++)
        {
            double sum = 0;
            for (int frame = 0; frame < frameCount; frame++)
            {
                int count = (int)actual.Grids[frame].PatchCount;
                foreach (float weight in actual.Attention(scope, head, frame).Slice(query * count, count))
                    sum += weight;
            }

            Assert.That(sum, Is.EqualTo(1).Within(1e-5), $"{where}, query {query}");
        }
    }
}
