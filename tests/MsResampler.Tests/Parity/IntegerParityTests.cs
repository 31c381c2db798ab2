using System.Runtime.InteropServices;
using MsResampler.Cpu;
using MsResampler.Cpu.Integer;
using MsResampler.Reference;

namespace MsResampler.Tests.Parity;

/// <summary>The engine with integer products: its tokens have the same bits on every instruction set, in any batch and
/// on any number of threads, and they are close to the double-precision reference with the weights in float.</summary>
[Parallelizable(ParallelScope.All)]
public class IntegerParityTests
{
    private const int CaseCount = 96;
    private const int AccuracyCaseCount = 160;

    /// <summary>The first pair of an instruction set and a kernel that this machine supports, and a third of the
    /// others: of images, of groups and of large cases, three in turn have every pair.</summary>
    private static IEnumerable<(CpuVariant Variant, IntegerKernel Kernel)> EnginesOf(int caseIndex)
        => from variant in CpuVariant.All.Where(variant => variant.IsSupported).Index()
           from kernel in IntegerKernel.All.Where(kernel => kernel.IsSupported).Index()
           where variant.Index + kernel.Index == 0 || (variant.Index + kernel.Index + (caseIndex / 2)) % 3 == 0
           select (variant.Item, kernel.Item);

    [Test]
    public void Tokens_have_the_same_bits_on_every_instruction_set([Range(0, CaseCount - 1)] int caseIndex,
        [Values(ModelLayers.Keys | ModelLayers.Gate, ModelLayers.All)] ModelLayers layers)
    {
        RandomCase @case = new(caseIndex % 2 == 0 ? caseIndex : RandomCase.FirstGroupCase + caseIndex);
        using TestModel model = new(@case.Config, @case.Options, seed: (ulong)caseIndex);
        float[] features = [.. @case.Grids.SelectMany((grid, image) => model.RandomFeatures(grid, caseIndex + image))];
        int[] expected = [];
        int engineIndex = 0;
        using (Assert.EnterMultipleScope())
        {
            foreach ((CpuVariant variant, IntegerKernel kernel) in EnginesOf(caseIndex))
            {
                using ModelEngine engine = variant.Create(model.Model, Options(layers, kernel) with
                {
                    ThreadCount = 1 + (engineIndex++ % 3),
                    ProcessorCount = 3,
                });
                int[] bits = BitsOf(engine, features, @case);
                expected = expected.Length == 0 ? bits : expected;
                Assert.That(bits, Is.EqualTo(expected), $"{variant}, {kernel.Name}, {@case}");
            }
        }
    }

    [Test]
    public void Tokens_do_not_depend_on_the_batch([Values(3, 7, 31)] int caseIndex)
    {
        RandomCase @case = new(caseIndex);
        using TestModel model = new(@case.Config, @case.Options, seed: (ulong)caseIndex);
        int tokenLength = @case.Config.QueryGrid.QueryCount * @case.Config.OutputSize;
        PatchGrid[] grids = [.. @case.Grids, new PatchGrid(3, 5), .. @case.Grids];
        float[][] features = [.. grids.Select((grid, image) => model.RandomFeatures(grid, caseIndex + image))];
        using ModelEngine engine = CpuVariant.Choose().Create(model.Model, Options(ModelLayers.All));
        float[] together = new float[grids.Length * tokenLength];
        engine.Resample([.. features.SelectMany(values => values)], grids, together, CancellationToken.None);
        using (Assert.EnterMultipleScope())
        {
            for (int image = 0; image < grids.Length; image++)
            {
                float[] alone = new float[tokenLength];
                engine.Resample(features[image], [grids[image]], alone, CancellationToken.None);
                Assert.That(alone, Is.EqualTo(together[(image * tokenLength)..((image + 1) * tokenLength)]),
                    $"image {image}");
            }
        }
    }

    /// <remarks>A layer with 8 bits rounds weights to 127 levels of a row's largest value and activations to 255 levels
    /// of its range. Rows of 16 to 1,024 normally distributed values reach 2 to 3.3 standard deviations, so either
    /// error is 2·2/255/√12 = 0.5 % to 0.8 % of a standard deviation, and a product has 0.65 % to 1.1 %. The keys
    /// change tokens through the softmax by about as much, and the gate by a tenth: 0.7 % in the median of these small
    /// models is below the limit of 1 %. All layers together are four in sequence and the keys: √5·0.7 % = 1.6 %. The
    /// products of attention add 0.9 %, of which half are keys, queries and values and the rest the weights, whose mean
    /// is a quarter of 127 levels: √(1.6² + 0.9²) = 1.8 %. With 16 bits the levels are at least 9 times as many (1,149
    /// at 1,600 terms): 0.16 %. The worst model may have twice the median's error.</remarks>
    [TestCase(ModelLayers.Keys | ModelLayers.Gate, 1e-2)]
    [TestCase(ModelLayers.None, 1.6e-3)]
    [TestCase(ModelLayers.All, 2e-2)]
    public void Tokens_are_close_to_the_reference(ModelLayers layers, double medianBound)
    {
        double[] errors = new double[AccuracyCaseCount];
        Parallel.For(0, AccuracyCaseCount, index =>
        {
            RandomCase @case = new(index);
            using TestModel model = new(@case.Config, @case.Options, seed: (ulong)index);
            float[] features = model.RandomFeatures(@case.Grids[0], index);
            ReferenceExplanation expected = model.Reference.Explain(features, @case.Grids[0]);
            using ModelEngine engine = CpuVariant.Choose().Create(model.Model, Options(layers));
            float[] tokens = new float[expected.Tokens.Length];
            engine.Resample(features, [@case.Grids[0]], tokens, CancellationToken.None);
            if (!engine.Explain(features, @case.Grids[0]).Tokens.SequenceEqual(tokens))
                throw new AssertionException($"{@case}: the tokens of the explanation differ");
            errors[index] = Tolerances.RelativeError([.. tokens.Select(token => (double)token)], expected.Tokens);
        });
        Array.Sort(errors);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(errors[AccuracyCaseCount / 2], Is.LessThan(medianBound), "median");
            Assert.That(errors[^1], Is.LessThan(2 * medianBound), "worst");
        }
    }

    /// <summary>Where one channel is 100 times as large as the others.</summary>
    public enum Outlier
    {
        Features,
        KeyValueNorm,
        PostNorm,
        InputWeights,
        KeyWeights,
        ValueWeights,
        OutputWeights,
        ProjectionWeights,
    }

    [Test]
    public void A_channel_100_times_the_others_costs_no_accuracy([Values] Outlier outlier,
        [Values(ModelLayers.Keys | ModelLayers.Gate, ModelLayers.All)] ModelLayers layers)
    {
        const int Channel = 3;
        ResamplerConfig config = Configs.Mixed with { VisionHiddenSize = 192, HiddenSize = 192 };
        using TestModel model = new(config, edit: tensor => $".{tensor.Name}".EndsWith(NameOf(outlier),
            StringComparison.Ordinal) ? tensor with
            {
                ValueAt = index => tensor.ValueAt(index) * (index % tensor.Shape[^1] == Channel ? 100 : 1),
            } : tensor);
        PatchGrid grid = new(8, 9);
        float[] features = model.RandomFeatures(grid, 5);
        for (int patch = 0; patch < grid.PatchCount && outlier == Outlier.Features; patch++)
            features[(patch * config.VisionHiddenSize) + Channel] *= 100;
        double[] expected = model.Reference.Explain(features, grid).Tokens;
        using ModelEngine engine = CpuVariant.Choose().Create(model.Model, Options(layers));
        float[] tokens = new float[expected.Length];

        engine.Resample(features, [grid], tokens, CancellationToken.None);

        // The bound for the worst of the models without outliers.
        Assert.That(Tolerances.RelativeError([.. tokens.Select(token => (double)token)], expected),
            Is.LessThan(layers == ModelLayers.All ? 4e-2 : 2e-2));
    }

    private static string NameOf(Outlier outlier) => outlier switch
    {
        Outlier.KeyValueNorm => ".ln_kv.weight",
        Outlier.PostNorm => ".ln_post.weight",
        Outlier.InputWeights => ".kv_proj.weight",
        Outlier.KeyWeights => ".k_proj.weight",
        Outlier.ValueWeights => ".v_proj.weight",
        Outlier.OutputWeights => ".out_proj.weight",
        Outlier.ProjectionWeights => ".proj.weight",
        _ => "none",
    };

    private static ResamplerOptions Options(ModelLayers layers, IntegerKernel? kernel = null)
        => new() { Precision = Precision.Int8, Int8Layers = layers, IntegerKernel = kernel };

    private static int[] BitsOf(ModelEngine engine, float[] features, RandomCase @case)
    {
        int groupCount = @case.FrameCounts.Length == 0 ? @case.Grids.Length : @case.FrameCounts.Length;
        float[] tokens = new float[groupCount * @case.Config.QueryGrid.QueryCount * @case.Config.OutputSize];
        engine.Resample(features, @case.FrameCounts.Length == 0 ? new FrameGroups(@case.Grids)
            : new FrameGroups(@case.Grids, @case.TemporalIds, @case.FrameCounts), tokens, CancellationToken.None);
        return MemoryMarshal.Cast<float, int>(tokens).ToArray();
    }
}
