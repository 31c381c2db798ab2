using MsResampler.Cpu;
using MsResampler.Planning;
using MsResampler.Reference;

namespace MsResampler.Tests.Parity;

/// <summary>Finite features and weights near the limits of float32 give either an error that names the image or
/// correct tokens, on every instruction set and with every strategy for keys and values. An overflowed value that
/// turned into a weight of 0 would give finite but wrong tokens.</summary>
public class OverflowTests
{
    private static readonly PatchGrid[] s_grids = [new(3, 5), new(4, 4)];

    private static readonly string[] s_names = [.. RandomModel.CreateTensors(Config(GateGranularity.Token), 1, new())
        .Select(tensor => tensor.Name)];

    // Also a row with one query and one head: with fewer values an error is less likely to show by chance.
    private static ResamplerConfig Config(GateGranularity granularity, bool isSmall = false) => Configs.Of(
        Configs.Window(2, 2), Configs.Gaussian(1.5, 1), Configs.None) with
    {
        VisionHiddenSize = 12,
        HiddenSize = isSmall ? 4 : 24,
        AttentionHeadCount = isSmall ? 1 : 3,
        QueryGrid = isSmall ? new(1, 1) : new(3, 2),
        OutputSize = 7,
        PositionEmbedding = new(PositionEmbeddingType.None, PositionEmbeddingType.None),
        Gate = new GateConfig(9, granularity),
    };

    /// <summary>Runs an image between two ordinary images.</summary>
    private static void AssertErrorOrRight(TestModel model, PatchGrid grid, float[] features,
        ReferenceResampler? reference = null)
    {
        reference ??= model.Reference;
        PatchGrid[] grids = [new(2, 2), grid, new(3, 1)];
        float[][] images = [model.RandomFeatures(grids[0], 5), features, model.RandomFeatures(grids[2], 6)];
        double[][] expected = [.. images.Select((image, index) => reference.Resample(image, grids[index]))];
        int length = expected[0].Length;
        foreach (CpuVariant variant in CpuVariant.All.Where(variant => variant.IsSupported))
        {
            foreach (ScopeStrategy strategy in ScopeStrategy.All)
            {
                string where = $"{variant}, {strategy}";
                float[] tokens = new float[3 * length];
                try
                {
                    using ModelEngine engine = variant.Create(model.Model, new() { ThreadCount = 1 }, _ => strategy);
                    engine.Resample([.. images.SelectMany(values => values)], grids, tokens, CancellationToken.None);
                }
                catch (InvalidModelException)
                {
                    continue;
                }
                catch (ActivationOverflowException exception)
                {
                    // An image that fails in the batch fails alone too, and the first failing image is reported.
                    Assert.That(exception.Grid, Is.EqualTo(grids[exception.ImageIndex]), where);
                    Assert.That(exception.Message, Does.StartWith($"image {exception.ImageIndex} ({exception.Grid} "),
                        where);
                    for (int image = 0; image <= exception.ImageIndex; image++)
                        Assert.That(FailsAlone(variant, strategy, model, images[image], grids[image], length),
                            Is.EqualTo(image == exception.ImageIndex), $"image {image}, {where}");
                    continue;
                }

                for (int image = 0; image < 3; image++)
                    Assert.That(Tolerances.RelativeError(tokens.AsSpan(image * length, length), expected[image]),
                        Is.LessThanOrEqualTo(Tolerances.SinglePrecision), $"image {image}, {where}");
            }
        }
    }

    private static bool FailsAlone(CpuVariant variant, ScopeStrategy strategy, TestModel model, float[] features,
        PatchGrid grid, int length)
    {
        using ModelEngine engine = variant.Create(model.Model, new() { ThreadCount = 1 }, _ => strategy);
        try
        {
            engine.Resample(features, [grid], new float[length], CancellationToken.None);
            return false;
        }
        catch (ActivationOverflowException exception)
        {
            Assert.That(exception.ImageIndex, Is.Zero);
            return true;
        }
    }

    [Test]
    public void Features_near_the_limit_of_float32_never_give_wrong_tokens(
        [Values(1e18f, 1e19f, 1e30f, 1e37f, 1e38f, 3e38f)] float size, [Values] bool hasInput, [Values] bool isSmall,
        [Values("all", "one patch", "one value", "constant")] string where)
    {
        ResamplerConfig config = Config(GateGranularity.Token, isSmall);
        config = hasInput ? config : config with { VisionHiddenSize = config.HiddenSize };
        using TestModel model = new(config, new() { OmitKeyValueInput = !hasInput });
        float[] features = model.RandomFeatures(s_grids[0], 1);
        Span<float> changed = where switch
        {
            "one patch" => features.AsSpan(7 * config.VisionHiddenSize, config.VisionHiddenSize),
            "one value" => features.AsSpan((7 * config.VisionHiddenSize) + 2, 1),
            _ => features,
        };
        foreach (ref float value in changed)
            value = where == "constant" ? size : Math.Clamp(value, -1, 1) * size;

        AssertErrorOrRight(model, s_grids[0], features);
    }

    [Test]
    public void A_tensor_near_the_limit_of_float32_never_gives_wrong_tokens([ValueSource(nameof(s_names))] string name,
        [Values(1e20f, 1e30f, 1e37f, float.PositiveInfinity)] float factor, [Values] GateGranularity granularity,
        [Values] bool isSmall)
    {
        using TestModel model = new(Config(granularity, isSmall), edit: tensor => tensor.Name != name ? tensor
            : tensor with { ValueAt = index => Math.Clamp(tensor.ValueAt(index) * factor, -3e38f, 3e38f) });
        // In double precision too, logits are lost beside such a bias, which is the same for every key and cancels.
        using TestModel plain = new(Config(granularity, isSmall));

        AssertErrorOrRight(model, s_grids[0], model.RandomFeatures(s_grids[0], 1),
            name.EndsWith("k_proj.bias", StringComparison.Ordinal) ? plain.Reference : null);
    }

    // One tensor is multiplied and another divided by the same factor: the tokens stay the same, but values between
    // the two can overflow. With 2¹²⁷ that happens if they exceed 2; one of 20 values does.
    [Test]
    public void Cancelling_factors_never_give_wrong_tokens(
        [Values("q_proj k_proj", "ln_kv k_proj,v_proj", "v_proj out_proj", "ln_post proj",
        "k_proj q_proj", "k_proj,v_proj ln_kv", "out_proj v_proj", "proj ln_post")] string pair,
        [Values(120, 126, 127)] int exponent, [Values] bool isSmall, [Range(1, 4)] int seed)
    {
        string[][] names = [.. pair.Split(' ').Select(part => part.Split(','))];
        using TestModel model = new(Config(GateGranularity.Token, isSmall), seed: (ulong)seed, edit: tensor =>
        {
            // Biases before the first of the two tensors are scaled with it, those after the second are not.
            bool isDivided = Has(0, ".weight") || Has(0, ".bias");
            float factor = isDivided ? MathF.ScaleB(1, -exponent) : Has(1, ".weight") ? MathF.ScaleB(1, exponent) : 1;
            return tensor with { ValueAt = index => Math.Clamp(tensor.ValueAt(index) * factor, -3e38f, 3e38f) };

            bool Has(int index, string suffix) => names[index].Any(name => tensor.Name == name + suffix
                || tensor.Name.EndsWith($".{name}{suffix}", StringComparison.Ordinal));
        });

        AssertErrorOrRight(model, s_grids[0], model.RandomFeatures(s_grids[0], seed));
    }

    /// <summary>A partial sum overflows to −∞ although the exact logit is ordinary. The weight must not become 0, as
    /// it is for a patch outside the window.</summary>
    /// <remarks>k_proj has one row, (F, F, 0, 1), and the query is (1.3, 0, 0, 0). The logit of a patch (−z, z, ·, y)
    /// is proportional to y, but with F = 3·10³⁸ and z = 1.4 the sum is −∞ after one step. This also holds in base 2,
    /// where queries are multiplied by log₂e/√4 = 0.72.</remarks>
    [Test]
    public void An_overflowing_logit_is_not_a_masked_key([Values] ScopePrior prior, [Range(0, 2)] int strategy)
    {
        ScopeConfig scope = prior switch
        {
            ScopePrior.Window => Configs.Window(9, 9),
            ScopePrior.Gaussian => Configs.Gaussian(3, 3),
            ScopePrior.None => Configs.None,
            _ => throw new ArgumentOutOfRangeException(nameof(prior), prior, "expected a prior with a case here"),
        };
        using TestModel model = new(Config(GateGranularity.Token, isSmall: true) with
        {
            VisionHiddenSize = 4,
            Scopes = [scope],
            Gate = null,
        }, new() { OmitKeyValueInput = true }, edit: tensor => tensor.Name switch
        {
            "ln_kv.weight" => Filled(tensor, _ => 1),
            "ln_kv.bias" or "scopes.0.attn.q_proj.weight" => Filled(tensor, _ => 0),
            "scopes.0.attn.q_proj.bias" => Filled(tensor, index => index == 0 ? 1.3f : 0),
            "scopes.0.attn.k_proj.weight" => Filled(tensor, index => index switch { 0 or 1 => 3e38f, 3 => 1, _ => 0 }),
            _ => tensor,
        });
        // The mean is already 0 and the variance 1.
        float[] features = [0.1f, -0.1f, -1.41f, 1.41f, -0.2f, 0.2f, 1.4f, -1.4f, -1.4f, 1.4f, -0.2f, 0.2f];

        foreach (CpuVariant variant in CpuVariant.All.Where(variant => variant.IsSupported))
        {
            using ModelEngine engine = variant.Create(model.Model, new(), _ => ScopeStrategy.All[strategy]);
            Assert.That(() => engine.Resample(features, [new(1, 3)], new float[7], CancellationToken.None),
                Throws.TypeOf<ActivationOverflowException>(), $"{variant}");
            Assert.That(() => engine.Explain(features, new PatchGrid(1, 3)),
                Throws.TypeOf<ActivationOverflowException>(),
                $"{variant}");
        }
    }

    // The same for the gate: both hidden values are gelu(2), and −F·gelu(2) + F·gelu(2) should be a logit of 0.
    [Test]
    public void An_overflowing_gate_logit_is_not_a_closed_gate([Values] GateGranularity granularity)
    {
        using TestModel model = new(Config(granularity), edit: tensor => tensor.Name switch
        {
            "gate.fc1.weight" => Filled(tensor, _ => 0),
            "gate.fc1.bias" => Filled(tensor, _ => 2),
            "gate.fc2.weight" => Filled(tensor, index => index switch { 0 => -3e38f, 1 => 3e38f, _ => 0 }),
            _ => tensor,
        });
        float[] features = model.RandomFeatures(s_grids[0], 1);

        foreach (CpuVariant variant in CpuVariant.All.Where(variant => variant.IsSupported))
        {
            using ModelEngine engine = variant.Create(model.Model, new());
            Assert.That(() => engine.Resample(features, [s_grids[0]], new float[6 * 7], CancellationToken.None),
                Throws.TypeOf<ActivationOverflowException>(), $"{variant}");
        }
    }

    // Groups end at 2304 rows and 2304 queries: one image of each of the three groups, and several at once.
    [TestCase(0)]
    [TestCase(4)]
    [TestCase(5)]
    [TestCase(11)]
    [TestCase(7, 9)]
    public void The_first_overflowing_image_is_named_in_any_group(params int[] images)
    {
        using TestModel model = new(Config(GateGranularity.Token));
        PatchGrid[] grids = [.. Enumerable.Range(0, 12).Select(image => new PatchGrid(20, 20 + (image % 3)))];
        float[][] features = [.. grids.Select(model.RandomFeatures)];
        foreach (int image in images)
            features[image].AsSpan(100, 12).Fill(3e38f);
        float[] batch = [.. features.SelectMany(values => values)];
        int length = 6 * 7;
        float[] tokens = new float[grids.Length * length];

        ActivationOverflowException error = Assert.Throws<ActivationOverflowException>(
            () => model.Engine.Resample(batch, grids, tokens))!;

        using (Assert.EnterMultipleScope())
        {
            Assert.That((error.ImageIndex, error.Grid, error.Precision),
                Is.EqualTo((images[0], grids[images[0]], Precision.Float32)));
            Assert.That(error.Message, Does.StartWith($"image {images[0]} ({grids[images[0]]} patches): ")
                .And.Contains("float32").And.Contains("scale the features"));
        }

        // The model stays usable, and the images before have their own bits.
        float[] alone = new float[length];
        for (int image = 0; image < images[0]; image++)
        {
            model.Engine.Resample(features[image], [grids[image]], alone);
            Assert.That(tokens.AsSpan(image * length, length).SequenceEqual(alone), Is.True, $"image {image}");
        }
    }

    [Test]
    public void Unchecked_non_finite_features_end_in_an_error(
        [Values(float.NaN, float.PositiveInfinity, float.NegativeInfinity)] float value, [Values] bool hasInput)
    {
        ResamplerConfig config = Config(GateGranularity.Token) with { VisionHiddenSize = hasInput ? 12 : 24 };
        using TestModel model = new(config, new() { OmitKeyValueInput = !hasInput });
        PatchGrid grid = s_grids[0];
        foreach (CpuVariant variant in CpuVariant.All.Where(variant => variant.IsSupported))
        {
            foreach (ScopeStrategy strategy in ScopeStrategy.All)
            {
                using ModelEngine engine = variant.Create(
                    model.Model, new() { ValidateFeatures = false }, _ => strategy);
                for (int place = 0; place < grid.PatchCount; place++)
                {
                    float[] features = model.RandomFeatures(grid, 1);
                    features[(place * config.VisionHiddenSize) + (place % config.VisionHiddenSize)] = value;
                    Assert.That(() => engine.Resample(features, [grid], new float[6 * 7], CancellationToken.None),
                        Throws.TypeOf<ActivationOverflowException>(), $"{variant}, {strategy}, patch {place}");
                    Assert.That(() => engine.Explain(features, grid), Throws.TypeOf<ActivationOverflowException>());
                }
            }
        }
    }

    [TestCase("ln_q.weight", "scopes.0.attn.q_proj")]
    [TestCase("scopes.1.attn.q_proj.weight", "scopes.1.attn.q_proj")]
    [TestCase("ln_kv.bias", "scopes.0.attn.out_proj.bias")]
    [TestCase("scopes.2.attn.v_proj.bias", "scopes.2.attn.out_proj.bias")]
    [TestCase("scopes.0.attn.out_proj.bias", "gate.fc1.bias")]
    public void An_overflowing_product_of_weights_is_an_error_at_load(string name, string named)
    {
        using TestModel model = new(Config(GateGranularity.Token), edit: tensor => tensor.Name switch
        {
            "gate.fc1.weight" => Filled(tensor, _ => 10),
            _ when tensor.Name == name => Filled(tensor, index => 3e38f + index),
            _ => tensor,
        });

        foreach (CpuVariant variant in CpuVariant.All.Where(variant => variant.IsSupported))
            Assert.That(() => variant.Create(model.Model, new()), Throws.TypeOf<InvalidModelException>()
                .With.Message.Contains($"{named}: ").And.Message.Contains("float32"), $"{variant}");
    }

    // ln_kv divides the size away. The mean is subtracted at load only if it is representable in float32; otherwise
    // it stays.
    [Test]
    public void Weights_stay_unchanged_if_their_mean_cannot_be_subtracted()
    {
        using TestModel model = new(Config(GateGranularity.Token), edit: tensor => tensor.Name != "kv_proj.weight"
            ? tensor
            : Filled(tensor, index => index % 12 != 0 ? 0 : index < 24 ? -3.4e38f : 2.5e38f - (index * 1e35f)));
        float[] features = [.. model.RandomFeatures(s_grids[0], 1).Select(value => Math.Clamp(value, -1, 1))];

        double[] expected = model.Reference.Resample(features, s_grids[0]);
        foreach (CpuVariant variant in CpuVariant.All.Where(variant => variant.IsSupported))
        {
            using ModelEngine engine = variant.Create(model.Model, new());
            float[] tokens = new float[expected.Length];
            engine.Resample(features, [s_grids[0]], tokens, CancellationToken.None);
            Assert.That(Tolerances.RelativeError(tokens, expected), Is.LessThanOrEqualTo(Tolerances.SinglePrecision),
                $"{variant}");
        }
    }

    // If queries depend on positions, they are computed for each grid; folded queries are computed if a plan uses
    // them.
    [Test]
    public void Overflowing_queries_are_an_error_on_the_first_grid([Values] bool hasPositions)
    {
        ResamplerConfig config = Config(GateGranularity.Token);
        if (hasPositions)
            config = config with
            {
                PositionEmbedding = new(PositionEmbeddingType.SinCos2D, PositionEmbeddingType.SinCos2D),
            };
        string name = hasPositions ? "scopes.1.attn.q_proj.weight" : "scopes.1.attn.k_proj.weight";
        using TestModel model = new(config, edit: tensor =>
            tensor.Name == name ? Filled(tensor, index => ((index % 5) - 2.5f) / 2.5f * 3e38f)
            : tensor.Name == "ln_q.weight" ? Filled(tensor, _ => 3) : tensor);
        float[] features = model.RandomFeatures(s_grids[0], 1);

        foreach (CpuVariant variant in CpuVariant.All.Where(variant => variant.IsSupported))
        {
            using ModelEngine engine = variant.Create(model.Model, new(), _ => ScopeStrategy.All[1]);
            Assert.That(() => engine.Resample(features, [s_grids[0]], new float[6 * 7], CancellationToken.None),
                Throws.TypeOf<InvalidModelException>().With.Message.Contains(
                    hasPositions ? "scopes.1.attn.q_proj: " : "scopes.1.attn.k_proj.weight: "), $"{variant}");
        }
    }

    private static RandomTensor Filled(RandomTensor tensor, Func<long, float> value) => tensor with { ValueAt = value };
}
