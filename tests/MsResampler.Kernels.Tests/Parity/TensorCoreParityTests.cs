using System.Globalization;
using MsResampler.Kernels.Forward;
using MsResampler.Reference;
using PtxEmulator;

namespace MsResampler.Kernels.Tests.Parity;

/// <summary>Whole models on emulated tensor cores. The reference has weights and features that are rounded to the
/// precision of the tensor cores, so only the rounding of activations remains.</summary>
[Parallelizable(ParallelScope.All)]
public class TensorCoreParityTests
{
    /// <summary>Random models. The cases after them have heads of every size that the kernels are specialised
    /// for.</summary>
    private const int RandomCaseCount = 60;

    private static readonly (int HeadCount, int HeadSize)[] s_heads =
        [(2, 32), (1, 64), (2, 72), (1, 80), (2, 96), (1, 128), (3, 20), (1, 104)];

    [Test]
    public void Models_agree_with_the_reference([Values(Precision.Float16, Precision.BFloat16,
        Precision.TensorFloat32)] Precision precision)
    {
        List<double> errors = [];
        using (Assert.EnterMultipleScope())
        {
            for (int caseIndex = 0; caseIndex < RandomCaseCount + s_heads.Length; caseIndex++)
            {
                (ResamplerConfig config, RandomModelOptions options, PatchGrid[] grids) = Case(caseIndex);
                using TestModel model = Rounding.Model(config, options, precision, (ulong)caseIndex);
                double error = Check(model, precision, grids, caseIndex);
                errors.Add(error);
                Assert.That(error, Is.LessThanOrEqualTo(Rounding.ToleranceOf(precision)),
                    $"case {caseIndex}: {ConfigJson.Of(config)}, grids {string.Join(", ", grids)}");
            }
        }

        errors.Sort();
        TestContext.Out.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{precision}, {errors.Count} models, relative L2 error of tokens: median {errors[errors.Count / 2]:E1}, " +
            $"90 % {errors[errors.Count * 9 / 10]:E1}, largest {errors[^1]:E1}, " +
            $"bound {Rounding.ToleranceOf(precision):E1}"));
    }

    /// <summary>Contraction, truncated sums and approximations that err, with the same bounds. A head of every tile,
    /// and two random models.</summary>
    [Test]
    public void Models_agree_with_the_reference_in_GPU_arithmetic([Values(Precision.Float16, Precision.BFloat16,
        Precision.TensorFloat32)] Precision precision)
    {
        List<double> errors = [];
        using (Assert.EnterMultipleScope())
        {
            foreach (int caseIndex in (int[])[0, 4, .. new[] { 0, 1, 3, 4, 5 }.Select(head => RandomCaseCount + head)])
            {
                (ResamplerConfig config, RandomModelOptions options, PatchGrid[] grids) = Case(caseIndex);
                grids = caseIndex < RandomCaseCount ? grids : grids[..1];
                using TestModel model = Rounding.Model(config, options, precision, (ulong)caseIndex);
                errors.Add(Check(model, precision, grids, caseIndex, EmulatorDevice.GpuArithmetic));
                Assert.That(errors[^1], Is.LessThanOrEqualTo(Rounding.ToleranceOf(precision)),
                    $"case {caseIndex}: {ConfigJson.Of(config)}, grids {string.Join(", ", grids)}");
            }
        }

        TestContext.Out.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{precision}, relative L2 error of tokens in GPU arithmetic: largest {errors.Max():E1}"));
    }

    /// <summary>Widths of published encoders, which small models do not reach: many column tiles, more sums of
    /// squares than one read returns, and more warps in the gate.</summary>
    [Test]
    public void Models_of_published_widths_agree_with_the_reference([Values(Precision.Float16, Precision.BFloat16)]
        Precision precision, [Values(1024, 1152)] int width)
    {
        ResamplerConfig config = Configs.Of(Configs.Window(4, 4), Configs.None) with
        {
            VisionHiddenSize = width,
            HiddenSize = width,
            AttentionHeadCount = 16,
            QueryGrid = new QueryGrid(3, 3),
            Gate = new GateConfig(256, GateGranularity.Token),
        };
        using TestModel model = Rounding.Model(config, new(), precision, seed: 1);
        PatchGrid grid = new(9, 9);
        float[] features = Rounding.Features(model, precision, grid, 1);

        float[] tokens = Resample(model, precision, [features], [grid], 0);

        Assert.That(Tolerances.RelativeError(tokens, model.Reference.Resample(features, grid)),
            Is.LessThanOrEqualTo(Rounding.ToleranceOf(precision)));
    }

    /// <summary>Row anchors are between two patches, column anchors on a patch.</summary>
    [Test]
    public void Sigmas_at_both_ends_agree_with_the_reference(
        [Values(Precision.Float16, Precision.BFloat16, Precision.TensorFloat32)] Precision precision)
    {
        ResamplerConfig config = Configs.Of(Configs.Gaussian(1e-7, 1e-7), Configs.Gaussian(1e-200, 1e200),
            Configs.Gaussian(double.Epsilon, 1e-320, new AxisPair(4, 3)), Configs.None);
        using TestModel model = Rounding.Model(config, new(), precision, seed: 1);

        Assert.That(Check(model, precision, [new PatchGrid(4, 9), new PatchGrid(12, 15)], 1),
            Is.LessThanOrEqualTo(Rounding.ToleranceOf(precision)));
    }

    [Test]
    public void Attention_and_gate_are_explained([Values(Precision.Float16, Precision.BFloat16)] Precision precision)
    {
        (ResamplerConfig config, RandomModelOptions options, PatchGrid[] grids) = Case(RandomCaseCount + 2);
        using TestModel model = Rounding.Model(config, options, precision, seed: 1);
        float[] features = Rounding.Features(model, precision, grids[0], 1);
        ReferenceExplanation expected = model.Reference.Explain(features, grids[0]);
        using GpuEngine engine = Engine(model, precision, 0);

        Explanation explanation = engine.Explain(features, grids[0]);
        float[] tokens = new float[explanation.Tokens.Length];
        engine.Resample(features, [grids[0]], tokens, CancellationToken.None);

        using (Assert.EnterMultipleScope())
        {
            Assert.That(explanation.Tokens.SequenceEqual(tokens), "tokens");
            Assert.That(Tolerances.RelativeError(explanation.Gate, expected.Gate),
                Is.LessThanOrEqualTo(Rounding.ToleranceOf(precision)), "gate");
            for (int scope = 0; scope < config.Scopes.Count; scope++)
                for (int head = 0; head < config.AttentionHeadCount; head++)
                    Assert.That(Tolerances.RelativeError(explanation.Attention(scope, head),
                        expected.Attention(scope, head)), Is.LessThanOrEqualTo(Rounding.ToleranceOf(precision)),
                        $"attention of scope {scope}, head {head}");
        }
    }

    /// <summary>The error of the tokens of a model. Checks that their bits do not depend on the batch, the order of
    /// images or the order of warps.</summary>
    private static double Check(TestModel model, Precision precision, PatchGrid[] grids, int seed,
        EmulatorOptions? arithmetic = null)
    {
        int tokenLength = model.Model.Config.QueryGrid.QueryCount * model.Model.Config.OutputSize;
        float[][] features = [.. grids.Select((grid, image) =>
            Rounding.Features(model, precision, grid, seed + image))];
        float[] tokens = Resample(model, precision, features, grids, seed, arithmetic);
        float[] reversed = Resample(model, precision, [.. features.Reverse()], [.. grids.Reverse()], seed + 1,
            arithmetic);
        Assert.That(reversed.Chunk(tokenLength).Reverse(), Is.EqualTo(tokens.Chunk(tokenLength)),
            $"order, case {seed}");
        if (grids.Length > 1)
        {
            float[] alone = Resample(model, precision, [features[0]], [grids[0]], seed + 2, arithmetic);
            Assert.That(alone, Is.EqualTo(tokens[..tokenLength]), $"batch mates, case {seed}");
        }

        return grids.Select((grid, image) => Tolerances.RelativeError(
            tokens.AsSpan(image * tokenLength, tokenLength), model.Reference.Resample(features[image], grid))).Max();
    }

    private static float[] Resample(TestModel model, Precision precision, float[][] features, PatchGrid[] grids,
        int seed, EmulatorOptions? arithmetic = null)
    {
        ResamplerConfig config = model.Model.Config;
        float[] tokens = new float[grids.Length * config.QueryGrid.QueryCount * config.OutputSize];
        using GpuEngine engine = Engine(model, precision, seed, arithmetic);
        engine.Resample([.. features.SelectMany(values => values)], grids, tokens, CancellationToken.None);
        return tokens;
    }

    private static GpuEngine Engine(TestModel model, Precision precision, int seed,
        EmulatorOptions? arithmetic = null)
        => new(new EmulatorDevice((ulong)seed, architecture: 80, arithmetic: arithmetic), EmulatorHost.Compiler,
            model.Model, new() { Precision = precision });

    private static (ResamplerConfig Config, RandomModelOptions Options, PatchGrid[] Grids) Case(int index)
    {
        if (index < RandomCaseCount)
        {
            RandomCase random = new(index);
            return (random.Config, random.Options, random.Grids);
        }

        (int headCount, int headSize) = s_heads[index - RandomCaseCount];
        ResamplerConfig config = Configs.Of(Configs.Window(4, 3), Configs.Gaussian(2, 3), Configs.None) with
        {
            HiddenSize = headCount * headSize,
            AttentionHeadCount = headCount,
            QueryGrid = new QueryGrid(5, 4),
            PositionEmbedding = new(PositionEmbeddingType.SinCos2D, PositionEmbeddingType.SinCos2D),
        };
        return (config, new() { LearnedSigmaScopes = [1] }, [new PatchGrid(12, 13), new PatchGrid(3, 50)]);
    }
}
