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

    /// <summary>On Hopper only the products differ. Of that many cases, one is also computed in other batches
    /// there.</summary>
    private const int CasesPerHopperBatch = 4;

    private static readonly (int HeadCount, int HeadSize)[] s_heads =
        [(2, 32), (1, 64), (2, 72), (1, 80), (2, 96), (1, 128), (3, 20), (1, 104)];

    [Test]
    public void Models_agree_with_the_reference([Values(Precision.Float16, Precision.BFloat16,
        Precision.TensorFloat32)] Precision precision)
    {
        List<double[]> errors = [];
        using (Assert.EnterMultipleScope())
        {
            for (int caseIndex = 0; caseIndex < RandomCaseCount + s_heads.Length; caseIndex++)
            {
                (ResamplerConfig config, RandomModelOptions options, PatchGrid[] grids) = Case(caseIndex);
                using TestModel model = Rounding.Model(config, options, precision, (ulong)caseIndex);
                errors.Add(Check(model, precision, grids, caseIndex));
                Assert.That(errors[^1], Is.All.LessThanOrEqualTo(Rounding.ToleranceOf(precision)),
                    $"case {caseIndex}: {ConfigJson.Of(config)}, grids {string.Join(", ", grids)}");
            }
        }

        for (int kind = 0; kind < errors[0].Length; kind++)
        {
            double[] sorted = [.. errors.Select(error => error[kind]).Order()];
            TestContext.Out.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{precision}{(kind == 0 ? "" : " on Hopper")}, {sorted.Length} models, relative L2 error of tokens: " +
                $"median {sorted[sorted.Length / 2]:E1}, 90 % {sorted[sorted.Length * 9 / 10]:E1}, " +
                $"largest {sorted[^1]:E1}, bound {Rounding.ToleranceOf(precision):E1}"));
        }
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
                double[] found = Check(model, precision, grids, caseIndex, EmulatorDevice.GpuArithmetic);
                errors.AddRange(found);
                Assert.That(found, Is.All.LessThanOrEqualTo(Rounding.ToleranceOf(precision)),
                    $"case {caseIndex}: {ConfigJson.Of(config)}, grids {string.Join(", ", grids)}");
            }
        }

        TestContext.Out.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{precision}, relative L2 error of tokens in GPU arithmetic: largest {errors.Max():E1}"));
    }

    /// <summary>Widths of published encoders, which small models do not reach: many column tiles, more sums of
    /// squares than one read returns, and more warps in the gate.</summary>
    [TestCase(Precision.Float16, 1024)]
    [TestCase(Precision.Float16, 1152)]
    [TestCase(Precision.BFloat16, 1024)]
    [TestCase(Precision.BFloat16, 1152)]
    [TestCase(Precision.Float16, 1152, true)]
    public void Models_of_published_widths_agree_with_the_reference(Precision precision, int width,
        bool isHopper = false)
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

        float[] tokens = Resample(model, precision, [features], [grid], 0, isHopper: isHopper);

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
            Is.All.LessThanOrEqualTo(Rounding.ToleranceOf(precision)));
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

    /// <summary>The error of the tokens of a model on each kind of device. Checks that their bits do not depend on the
    /// batch, the order of images or the order of warps.</summary>
    private static double[] Check(TestModel model, Precision precision, PatchGrid[] grids, int seed,
        EmulatorOptions? arithmetic = null)
    {
        int tokenLength = model.Model.Config.QueryGrid.QueryCount * model.Model.Config.OutputSize;
        float[][] features = [.. grids.Select((grid, image) =>
            Rounding.Features(model, precision, grid, seed + image))];
        double[][] expected = [.. grids.Select((grid, image) => model.Reference.Resample(features[image], grid))];
        return [.. EmulatorDevice.KindsFor(precision).Select(isHopper =>
        {
            float[] tokens = Resample(model, precision, features, grids, seed, arithmetic, isHopper);
            if (!isHopper || seed % CasesPerHopperBatch == 0)
                CheckBatches(tokens, isHopper);
            return expected.Select((image, index) => Tolerances.RelativeError(
                tokens.AsSpan(index * tokenLength, tokenLength), image)).Max();
        })];

        void CheckBatches(float[] tokens, bool isHopper)
        {
            string name = $"case {seed}{(isHopper ? " on Hopper" : "")}";
            float[] reversed = Resample(model, precision, [.. features.Reverse()], [.. grids.Reverse()], seed + 1,
                arithmetic, isHopper);
            Assert.That(reversed.Chunk(tokenLength).Reverse(), Is.EqualTo(tokens.Chunk(tokenLength)),
                $"order, {name}");
            if (grids.Length == 1)
                return;
            float[] alone = Resample(model, precision, [features[0]], [grids[0]], seed + 2, arithmetic, isHopper);
            Assert.That(alone, Is.EqualTo(tokens[..tokenLength]), $"batch mates, {name}");
        }
    }

    private static float[] Resample(TestModel model, Precision precision, float[][] features, PatchGrid[] grids,
        int seed, EmulatorOptions? arithmetic = null, bool isHopper = false)
    {
        ResamplerConfig config = model.Model.Config;
        float[] tokens = new float[grids.Length * config.QueryGrid.QueryCount * config.OutputSize];
        using GpuEngine engine = Engine(model, precision, seed, arithmetic, isHopper);
        engine.Resample([.. features.SelectMany(values => values)], grids, tokens, CancellationToken.None);
        return tokens;
    }

    private static GpuEngine Engine(TestModel model, Precision precision, int seed,
        EmulatorOptions? arithmetic = null, bool isHopper = false)
        => new(EmulatorDevice.WithTensorCores(isHopper, (ulong)seed, arithmetic), EmulatorHost.Compiler, model.Model,
            new() { Precision = precision });

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
