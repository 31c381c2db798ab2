using MsResampler.Cpu;

namespace MsResampler.Training.Tests;

/// <summary>Finite features and weights near the limits of float32 give an error that names the image, or correct
/// tokens, on every instruction set, with projected and with absorbed keys.</summary>
[Parallelizable(ParallelScope.All)]
internal sealed class OverflowTests
{
    private static readonly PatchGrid[] s_grids = [new(2, 2), new(3, 5), new(3, 1)];

    // One head and one query: with fewer values an error is less likely to show by chance.
    private static readonly ResamplerConfig s_config = Configs.Of(Configs.Window(2, 2), Configs.Gaussian(1.5, 1),
        Configs.None) with
    {
        VisionHiddenSize = 12,
        HiddenSize = 4,
        AttentionHeadCount = 1,
        QueryGrid = new(1, 1),
        OutputSize = 7,
        PositionEmbedding = new(PositionEmbeddingType.None, PositionEmbeddingType.None),
        Gate = new GateConfig(9, GateGranularity.Token),
    };

    // Several queries share a tile, in which they see different patches.
    private static readonly ResamplerConfig s_larger = s_config with
    {
        HiddenSize = 24,
        AttentionHeadCount = 3,
        QueryGrid = new(3, 2),
    };

    // Beside a huge bias of keys, which is the same for every key, logits lose their digits: that is rounding.
    private static readonly string[] s_names = [.. RandomModel.CreateTensors(s_config, 1, new())
        .Select(tensor => tensor.Name).Where(name => !name.EndsWith("k_proj.bias", StringComparison.Ordinal))];

    [Test]
    public void Features_near_the_limit_never_give_wrong_tokens(
        [Values(1e18f, 1e19f, 1e30f, 1e37f, 1e38f, 3e38f)] float size, [Values] bool hasInput, [Values] bool isPatch,
        [Values] bool isLarger)
    {
        ResamplerConfig config = isLarger ? s_larger : s_config;
        config = hasInput ? config : config with { VisionHiddenSize = config.HiddenSize };
        using TestModel model = new(config, new() { OmitKeyValueInput = !hasInput });
        float[] features = model.RandomFeatures(s_grids[1], 1);
        foreach (ref float value in isPatch ? features.AsSpan(7 * config.VisionHiddenSize, config.VisionHiddenSize)
            : features)
            value = Math.Clamp(value, -1, 1) * size;
        AssertErrorOrRight(model, features);
    }

    [Test]
    public void A_tensor_near_the_limit_never_gives_wrong_tokens([ValueSource(nameof(s_names))] string name,
        [Values(1e20f, 1e30f, 1e34f, 1e37f, float.PositiveInfinity)] float factor, [Values] bool isLarger)
    {
        using TestModel model = new(isLarger ? s_larger : s_config, edit: tensor => tensor.Name != name ? tensor
            : tensor with { ValueAt = index => Math.Clamp(tensor.ValueAt(index) * factor, -3e38f, 3e38f) });
        AssertErrorOrRight(model, model.RandomFeatures(s_grids[1], 1));
    }

    /// <summary>A partial sum overflows to −∞ although the exact logit is ordinary: k_proj has one row, (F, F, 0, 1),
    /// and the query is (1.3, 0, 0, 0). The logit of a patch (−z, z, ·, y) is proportional to y, but with F = 3·10³⁸
    /// and z = 1.4 the sum is −∞ after one step. The weight must not become 0.</summary>
    [Test]
    public void An_overflowing_logit_is_not_a_masked_key([Values] bool absorbs, [Values] bool isGaussian)
    {
        ScopeConfig scope = isGaussian ? Configs.Gaussian(3, 3) : Configs.Window(9, 9);
        using TestModel model = new(s_config with { VisionHiddenSize = 4, Scopes = [scope], Gate = null },
            new() { OmitKeyValueInput = true }, edit: tensor => tensor.Name switch
            {
                "ln_kv.weight" => Filled(tensor, _ => 1),
                "ln_kv.bias" or "scopes.0.attn.q_proj.weight" => Filled(tensor, _ => 0),
                "scopes.0.attn.q_proj.bias" => Filled(tensor, index => index == 0 ? 1.3f : 0),
                "scopes.0.attn.k_proj.weight" => Filled(tensor, index => index switch
                {
                    0 or 1 => 3e38f,
                    3 => 1,
                    _ => 0,
                }),
                _ => tensor,
            });
        // The mean is already 0 and the variance 1.
        float[] features = [0.1f, -0.1f, -1.41f, 1.41f, -0.2f, 0.2f, 1.4f, -1.4f, -1.4f, 1.4f, -0.2f, 0.2f];
        foreach (CpuVariant variant in CpuVariant.All.Where(variant => variant.IsSupported))
            Assert.That(() => Run(model, variant, absorbs, features, [new(1, 3)]),
                Throws.TypeOf<ActivationOverflowException>(), $"{variant}");
    }

    /// <summary>Both hidden values are gelu(2), and −F·gelu(2) + F·gelu(2) should be a logit of 0.</summary>
    [Test]
    public void An_overflowing_gate_logit_is_not_a_closed_gate([Values] GateGranularity granularity)
    {
        using TestModel model = new(s_config with { Gate = new GateConfig(9, granularity) }, edit: tensor
            => tensor.Name switch
            {
                "gate.fc1.weight" => Filled(tensor, _ => 0),
                "gate.fc1.bias" => Filled(tensor, _ => 2),
                "gate.fc2.weight" => Filled(tensor, index => index switch { 0 => -3e38f, 1 => 3e38f, _ => 0 }),
                _ => tensor,
            });
        foreach (CpuVariant variant in CpuVariant.All.Where(variant => variant.IsSupported))
            Assert.That(() => Run(model, variant, absorbs: false, model.RandomFeatures(s_grids[1], 1), [s_grids[1]]),
                Throws.TypeOf<ActivationOverflowException>(), $"{variant}");
    }

    [Test]
    public void A_forward_pass_that_overflowed_counts_for_none_and_the_next_one_works()
    {
        using TestModel model = new(s_config);
        using ResamplerTrainer trainer = new(TrainableModel.From(model.Model));
        float[] usual = model.RandomFeatures(s_grids[1], 1);
        float[] huge = [.. usual.Select(value => Math.Clamp(value, -1, 1) * 3e38f)];
        float[] expected = trainer.Forward(usual, [s_grids[1]]);
        Assert.That(() => trainer.Forward(huge, [s_grids[1]]), Throws.TypeOf<ActivationOverflowException>()
            .With.Message.StartsWith("image 0 (3x5 patches): a value between features and tokens is outside "));
        Assert.That(() => trainer.Backward(new float[expected.Length]), Throws.InvalidOperationException);
        Assert.That(trainer.Forward(usual, [s_grids[1]]), Is.EqualTo(expected));
    }

    /// <summary>Runs an image between two ordinary images.</summary>
    private static void AssertErrorOrRight(TestModel model, float[] features)
    {
        float[][] images = [model.RandomFeatures(s_grids[0], 5), features, model.RandomFeatures(s_grids[2], 6)];
        double[][] expected = [.. images.Select((image, index) => model.Reference.Resample(image, s_grids[index]))];
        int length = expected[0].Length;
        foreach (CpuVariant variant in CpuVariant.All.Where(variant => variant.IsSupported))
        {
            foreach (bool absorbs in (ReadOnlySpan<bool>)[false, true])
            {
                string where = $"{variant}, {(absorbs ? "absorbed" : "projected")}";
                float[] tokens;
                try
                {
                    tokens = Run(model, variant, absorbs, [.. images.SelectMany(image => image)], s_grids);
                }
                catch (ActivationOverflowException exception)
                {
                    // An image that fails in the batch fails alone too, and the first failing image is reported.
                    for (int image = 0; image <= exception.ImageIndex; image++)
                    {
                        int index = image;
                        Assert.That(() => Run(model, variant, absorbs, images[index], [s_grids[index]]),
                            image < exception.ImageIndex ? Throws.Nothing
                                : Throws.TypeOf<ActivationOverflowException>(), $"image {image}, {where}");
                    }

                    continue;
                }

                for (int image = 0; image < images.Length; image++)
                    Assert.That(Tolerances.RelativeError(tokens.AsSpan(image * length, length), expected[image]),
                        Is.LessThanOrEqualTo(Tolerances.SinglePrecision), $"image {image}, {where}");
            }
        }
    }

    private static float[] Run(TestModel model, CpuVariant variant, bool absorbs, float[] features, PatchGrid[] grids)
    {
        using ResamplerTrainer trainer = new(TrainableModel.From(model.Model), new TrainerOptions
        {
            ThreadCount = 1,
            Absorbs = absorbs,
            Variant = variant,
        });
        return trainer.Forward(features, grids);
    }

    private static RandomTensor Filled(RandomTensor tensor, Func<long, float> value) => tensor with { ValueAt = value };
}
