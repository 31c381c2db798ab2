using MsResampler.Kernels.Forward;
using MsResampler.Reference;
using PtxEmulator;

namespace MsResampler.Kernels.Tests.Parity;

/// <summary>Whole models on emulated PTX, compared with the double-precision reference.</summary>
[Parallelizable(ParallelScope.All)]
public class EmulatedParityTests
{
    private const int CaseCount = 48;

    // The slices of a head, sizes around them, and widths that are not multiples of a vector.
    private static readonly (int HeadCount, int HeadSize)[] s_heads = [(1, 132), (2, 66), (3, 44), (4, 31), (1, 260)];

    [Test]
    public void Random_models_agree_with_the_reference([Range(0, CaseCount - 1)] int caseIndex)
    {
        RandomCase @case = new(caseIndex);
        using TestModel model = new(@case.Config, @case.Options, seed: (ulong)caseIndex);
        AssertAgreement(model, @case.Grids, caseIndex, @case.ToString());
    }

    /// <summary>A few of the cases, with the bounds of all.</summary>
    [Test]
    public void Random_models_agree_with_the_reference_in_GPU_arithmetic([Values(0, 7, 13, 21)] int caseIndex)
    {
        RandomCase @case = new(caseIndex);
        using TestModel model = new(@case.Config, @case.Options, seed: (ulong)caseIndex);
        AssertAgreement(model, @case.Grids, caseIndex, @case.ToString(), EmulatorDevice.GpuArithmetic);
    }

    [Test]
    public void Heads_of_any_size_agree_with_the_reference([Range(0, 4)] int heads)
    {
        ResamplerConfig config = Configs.Of(Configs.Window(4, 3), Configs.Gaussian(2, 3), Configs.None) with
        {
            HiddenSize = s_heads[heads].HeadCount * s_heads[heads].HeadSize,
            AttentionHeadCount = s_heads[heads].HeadCount,
            QueryGrid = new QueryGrid(5, 4),
            PositionEmbedding = new(PositionEmbeddingType.SinCos2D, PositionEmbeddingType.SinCos2D),
        };
        using TestModel model = new(config, new() { LearnedSigmaScopes = [1] });
        AssertAgreement(model, [new PatchGrid(12, 13), new PatchGrid(3, 50)], heads, "");
    }

    [Test]
    public void Windows_far_apart_agree_with_the_reference()
    {
        // The windows of a tile leave most of their bounding rectangle unseen: there are many blocks of keys that no
        // query of a warp sees.
        ResamplerConfig config = Configs.Of(Configs.Window(1, 1), Configs.Gaussian(1e-3, 1e-3, new AxisPair(2, 1)),
            Configs.Window(3, 50, WindowBorder.Shift)) with
        {
            QueryGrid = new QueryGrid(4, 4),
        };
        using TestModel model = new(config);
        AssertAgreement(model, [new PatchGrid(40, 41), new PatchGrid(2, 2)], 0, "");
    }

    /// <summary>Row anchors are between two patches, column anchors on a patch.</summary>
    [Test]
    public void Sigmas_at_both_ends_agree_with_the_reference()
    {
        ResamplerConfig config = Configs.Of(Configs.Gaussian(1e-7, 1e-7), Configs.Gaussian(1e-200, 1e200),
            Configs.Gaussian(double.Epsilon, 1e-320, new AxisPair(4, 3)), Configs.None);
        using TestModel model = new(config);
        AssertAgreement(model, [new PatchGrid(4, 9), new PatchGrid(12, 15)], 0, "");
    }

    private static void AssertAgreement(TestModel model, PatchGrid[] grids, int seed, string where,
        EmulatorOptions? arithmetic = null)
    {
        ResamplerConfig config = model.Model.Config;
        int tokenLength = config.QueryGrid.QueryCount * config.OutputSize;
        float[][] features = [.. grids.Select((grid, image) => model.RandomFeatures(grid, seed + image))];
        ReferenceExplanation[] expected = [.. features.Select((image, index) =>
            model.Reference.Explain(image, grids[index]))];
        using GpuEngine engine = new(new EmulatorDevice((ulong)seed, arithmetic: arithmetic), EmulatorHost.Compiler,
            model.Model, new());
        float[] tokens = new float[grids.Length * tokenLength];
        engine.Resample([.. features.SelectMany(values => values)], grids, tokens, CancellationToken.None);
        Explanation explanation = engine.Explain(features[^1], grids[^1]);
        using (Assert.EnterMultipleScope())
        {
            for (int image = 0; image < grids.Length; image++)
                AssertClose(tokens.AsSpan(image * tokenLength, tokenLength), expected[image].Tokens,
                    $"tokens of image {image}, {where}");
            Assert.That(explanation.Tokens.SequenceEqual(tokens.AsSpan(tokens.Length - tokenLength)),
                $"tokens of the explanation, {where}");
            AssertClose(explanation.Gate, expected[^1].Gate, $"gate of the last image, {where}");
            for (int scope = 0; scope < config.Scopes.Count; scope++)
                for (int head = 0; head < config.AttentionHeadCount; head++)
                    AssertClose(explanation.Attention(scope, head), expected[^1].Attention(scope, head),
                        $"attention of the last image, scope {scope}, head {head}, {where}");
        }
    }

    private static void AssertClose(ReadOnlySpan<float> actual, double[] expected, string what)
        => Assert.That(Tolerances.RelativeError(actual, expected), Is.LessThanOrEqualTo(
            Rounding.ToleranceOf(Precision.Float32)), what);
}
