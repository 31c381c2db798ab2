using MsResampler.Safetensors;
using static MsResampler.Tests.Model.BoundWeights;

namespace MsResampler.Tests.Model;

/// <summary>Published checkpoint layouts and tied tensors.</summary>
public class WeightLayoutTests
{
    [Test]
    public void The_MiniCPM_layout_has_the_tokens_of_the_native_layout([Values(10, 5003)] int outputSize)
    {
        // 5003: many panels, the last one partial, and a transposed matrix that is read in several parts.
        ResamplerConfig config = SingleConfig with { OutputSize = outputSize };
        RandomModelOptions published = new()
        {
            Prefix = "resampler.",
            UsePublishedNames = true,
            StackInputProjections = true,
            HasProjectionBias = false,
        };
        List<TensorToWrite> tensors = Tensors(config, published);

        Assert.That(tensors.Select(tensor => tensor.Name), Is.EquivalentTo(new[]
        {
            "resampler.query", "resampler.kv_proj.weight", "resampler.attn.in_proj_weight",
            "resampler.attn.in_proj_bias",
            "resampler.attn.out_proj.weight", "resampler.attn.out_proj.bias", "resampler.ln_q.weight",
            "resampler.ln_q.bias", "resampler.ln_kv.weight", "resampler.ln_kv.bias", "resampler.ln_post.weight",
            "resampler.ln_post.bias", "resampler.proj",
        }));
        Assert.That(tensors.Single(tensor => tensor.Name == "resampler.proj").Shape,
            Is.EqualTo(new[] { 24, outputSize }));
        Assert.That(Tokens(config, tensors),
            Is.EqualTo(Tokens(config, Tensors(config, new() { HasProjectionBias = false }))));
    }

    [Test]
    public void The_QwenVL_layout_has_the_tokens_of_the_native_layout()
    {
        ResamplerConfig config = SingleConfig with
        {
            PositionEmbedding = new(PositionEmbeddingType.Stored, PositionEmbeddingType.Stored),
        };
        const string Pool = "transformer.visual.attn_pool.";
        const string Outer = "transformer.visual.";
        List<TensorToWrite> tensors = [.. RandomModel.CreateTensors(config, 1, new()
        {
            Prefix = Pool,
            UsePublishedNames = true,
            StackInputProjections = true,
            HasProjectionBias = false,
        }).Select(tensor => tensor.Name[Pool.Length..] is "ln_post.weight" or "ln_post.bias" or "proj"
            ? tensor with { Name = Outer + tensor.Name[Pool.Length..] } : tensor)
            .Select(tensor => tensor.ToWrite(TensorType.F32))];
        tensors.Add(Zeros(Outer + "ln_pre.weight", 3));
        tensors.Add(Zeros(Outer + "transformer.resblocks.0.attn.in_proj.weight", 3, 3));
        tensors.Add(Zeros("transformer.wte.weight", 3, 3));

        Assert.That(Tokens(config, tensors),
            Is.EqualTo(Tokens(config, Tensors(config, new() { HasProjectionBias = false }))));
        Assert.That(Prefix(config, tensors), Is.EqualTo(Pool));
        Assert.That(Problems(config, tensors.Where(tensor => tensor.Name != Outer + "proj")).Single(),
            Does.Contain("proj.weight': expected shape [10, 24], found no such tensor"));
    }

    [Test]
    public void Tied_tensors_are_found_by_the_metadata()
    {
        // The format of safetensors' save_model: the removed name and the kept name.
        ResamplerConfig config = GatedConfig with { ShareQueries = false };
        List<TensorToWrite> tensors = Tensors(config);
        List<TensorToWrite> both = Replace(tensors, RandomModel.CreateTensors(config, 1, new())
            .Where(tensor => tensor.Name == "scopes.0.query")
            .Select(tensor => (tensor with { Name = "scopes.1.query" }).ToWrite(TensorType.F32)).Single());
        List<TensorToWrite> one = [.. tensors.Where(tensor => tensor.Name != "scopes.1.query")];
        Dictionary<string, string> metadata = new() { ["format"] = "pt", ["scopes.1.query"] = "scopes.0.query" };

        Assert.That(Tokens(config, one, metadata), Is.EqualTo(Tokens(config, both)));
        Assert.That(Problems(config, one).Single(), Does.StartWith("tensor 'scopes.1.query': expected shape"));
    }

    [Test]
    public void Tied_tensors_may_have_prefixes_and_wrappers()
    {
        ResamplerConfig config = GatedConfig with { ShareQueries = false };
        List<TensorToWrite> tensors = [.. Rename(config, name => "module.resampler." + name)
            .Where(tensor => tensor.Name != "module.resampler.scopes.1.query")];

        Assert.That(Open(config, tensors, model => model.Weights.Scopes[1].Queries.Name, new()
        {
            ["module.resampler.scopes.1.query"] = "module.resampler.scopes.0.query",
        }), Is.EqualTo("module.resampler.scopes.0.query"));
    }

    [Test]
    public void A_tensor_tied_to_its_own_wrapped_name_is_one_tensor()
        => Assert.That(() => Open(GatedConfig, Tensors(GatedConfig), _ => 0, new() { ["module.query"] = "query" }),
            Throws.Nothing);

    [Test]
    public void A_tied_tensor_of_another_shape_is_rejected()
    {
        List<TensorToWrite> tensors = [.. Tensors(GatedConfig).Where(tensor => tensor.Name != "ln_q.bias")];

        InvalidModelException error = Assert.Throws<InvalidModelException>(() => Open(GatedConfig, tensors, _ => 0,
            new() { ["ln_q.bias"] = "query" }))!;

        Assert.That(error.Problems, Is.EqualTo(new[] { "tensor 'query': expected shape [24], found [6, 24]" }));
    }
}
