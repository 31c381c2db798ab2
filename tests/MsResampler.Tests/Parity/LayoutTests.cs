using MsResampler.Safetensors;
using MsResampler.Tests.Reference;

namespace MsResampler.Tests.Parity;

/// <summary>Checkpoints with the same weights in different layouts are the same model, bit for bit.</summary>
public class LayoutTests
{
    private static readonly PatchGrid s_grid = new(5, 4);

    private static ResamplerConfig Config(params ScopeConfig[] scopes) => Configs.Of(scopes) with
    {
        VisionHiddenSize = 16,
        HiddenSize = 16,
        AttentionHeadCount = 2,
        OutputSize = 5,
        ShareKeyValues = true,
        PositionEmbedding = new(PositionEmbeddingType.Stored, PositionEmbeddingType.Stored),
        Gate = scopes.Length == 1 ? null : new GateConfig(7, GateGranularity.Token),
    };

    private static double[] Tokens(ResamplerConfig config, RandomModelOptions options,
        Func<RandomTensor, RandomTensor>? edit = null)
    {
        using TestModel model = new(config, options, edit: edit);
        return model.Reference.Resample(model.RandomFeatures(s_grid, seed: 1), s_grid);
    }

    [Test]
    public void Prefix_and_stacked_projections_do_not_change_the_tokens(
        [Values("", "resampler.", "a.b.")] string prefix, [Values] bool isStacked)
    {
        ResamplerConfig config = Config(Configs.Gaussian(2, 3), Configs.None);

        double[] tokens = Tokens(config, new() { Prefix = prefix, StackInputProjections = isStacked });

        Assert.That(tokens, Is.EqualTo(Tokens(config, new())));
    }

    [Test]
    public void Published_names_do_not_change_the_tokens(
        [Values("", "resampler.")] string prefix, [Values] bool isStacked)
    {
        ResamplerConfig config = Config(Configs.None);

        double[] tokens = Tokens(config,
            new() { UsePublishedNames = true, Prefix = prefix, StackInputProjections = isStacked });

        Assert.That(tokens, Is.EqualTo(Tokens(config, new())));
    }

    [Test]
    public void A_nested_attention_pool_does_not_change_the_tokens()
    {
        const string Pool = "transformer.visual.attn_pool.";
        ResamplerConfig config = Config(Configs.None);
        string[] outer = ["ln_post.weight", "ln_post.bias", "proj"];

        double[] tokens = Tokens(config,
            new()
            {
                UsePublishedNames = true,
                Prefix = Pool,
                StackInputProjections = true,
                HasProjectionBias = false,
            },
            tensor => outer.Contains(tensor.Name[Pool.Length..])
                ? tensor with { Name = "transformer.visual." + tensor.Name[Pool.Length..] } : tensor);

        Assert.That(tokens, Is.EqualTo(Tokens(config, new() { HasProjectionBias = false })));
    }

    [Test]
    public void An_identity_kv_proj_can_be_omitted()
    {
        ResamplerConfig config = Config(Configs.None);

        double[] tokens = Tokens(config, new() { OmitKeyValueInput = true });

        Assert.That(tokens, Is.EqualTo(Tokens(config, new(), tensor => tensor.Name == "kv_proj.weight"
            ? tensor with { ValueAt = Loops.Identity(16) } : tensor)));
    }

    [Test]
    public void Wider_types_do_not_change_the_tokens()
    {
        ResamplerConfig config = Config(Configs.Gaussian(2, 3), Configs.None);

        Assert.That(Tokens(config, new() { Type = TensorType.F64 }), Is.EqualTo(Tokens(config, new())));
    }
}
