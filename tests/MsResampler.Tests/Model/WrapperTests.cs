using MsResampler.Safetensors;
using static MsResampler.Tests.Model.BoundWeights;

namespace MsResampler.Tests.Model;

/// <summary>The parts that wrapper modules and PEFT add to the names of a published checkpoint.</summary>
public class WrapperTests
{
    private static readonly PublishedFamily s_family = PublishedFamily.Of("minicpm-v-2.0");

    private static T Open<T>(IEnumerable<TensorToWrite> tensors, Func<ResamplerModel, T> use)
    {
        using TemporaryFolder folder = new();
        SafetensorsWriter.Write(folder.File("adapter_model.safetensors"), tensors);
        using ResamplerModel model = ResamplerModel.Open(folder.Path);
        return use(model);
    }

    private static List<TensorToWrite> Renamed(Func<string, string> rename)
        => s_family.Tensors(rename: rename);

    [TestCase("module.", "")]
    [TestCase("_orig_mod.", "_orig_mod.")]
    [TestCase("base_model.model.", "")]
    [TestCase("base_model.model.", "modules_to_save.default.")]
    [TestCase("module.base_model.model._orig_mod.", "modules_to_save.default.module.")]
    [TestCase("", "original_module.")]
    public void Wrappers_are_seen_through(string outer, string inner)
    {
        IEnumerable<TensorToWrite> tensors =
            [.. Renamed(name => outer + "resampler." + inner + name["resampler.".Length..]),
                Zeros(outer + "llm.model.layers.0.q_proj.lora_A.default.weight", 1, 1)];

        Assert.That(Open(tensors, model => (model.Layout.Name, model.TensorPrefix, model.Warnings.Count)),
            Is.EqualTo(("minicpm-v-2.0", "resampler.", 0)));
    }

    [Test]
    public void A_wrapper_of_one_layer_is_seen_through()
        => Assert.That(Open(Renamed(name => name.Replace("kv_proj.", "kv_proj.modules_to_save.default.",
            StringComparison.Ordinal)), model => model.Weights.KeyValueInput!.Name),
            Is.EqualTo("resampler.kv_proj.modules_to_save.default.weight"));

    [Test]
    public void The_names_of_OmniLMM_inside_a_PEFT_model_are_its_own()
        => Assert.That(Open(PublishedFamily.Of("omnilmm-12b")
            .Tensors(rename: name => "base_model.model." + name), model => model.Layout.Name),
            Is.EqualTo("omnilmm-12b"));

    [Test]
    public void The_trained_copy_wins_over_the_original_module()
    {
        const string Copy = "base_model.model.resampler.modules_to_save.default.";
        IEnumerable<TensorToWrite> trained = Renamed(name => Copy + name["resampler.".Length..]);
        IEnumerable<TensorToWrite> original = Renamed(name
            => "base_model.model.resampler.original_module." + name["resampler.".Length..]);
        foreach (IEnumerable<TensorToWrite> tensors in (IEnumerable<TensorToWrite>[])
            [[.. trained, .. original], [.. original, .. trained]])
        {
            (string name, string[] warnings) = Open(tensors,
                model => (model.Weights.Scopes[0].Queries.Name, model.Warnings.ToArray()));

            Assert.That(name, Is.EqualTo(Copy + "query"));
            Assert.That(warnings, Is.EqualTo(new[]
            {
                "14 tensors of 'original_module' were ignored: those of 'modules_to_save.default', which PEFT " +
                    "trained in their place, are used",
            }));
        }
    }

    [Test]
    public void A_trained_copy_is_not_completed_from_the_original_module()
    {
        const string Module = "base_model.model.resampler.";
        IEnumerable<TensorToWrite> trained = [.. Renamed(name => Module + "modules_to_save.default." +
            name["resampler.".Length..]).Where(tensor => !tensor.Name.EndsWith(".proj", StringComparison.Ordinal))];

        Assert.That(() => Open([.. trained, .. Renamed(name => Module + "original_module." +
            name["resampler.".Length..])], _ => 0), Throws.TypeOf<InvalidModelException>().With.Message.Contains(
            "which lacks 'resampler.proj': only 'original_module' has it, and not the copy that PEFT trained"));
    }

    [Test]
    public void A_second_name_beside_the_trained_copy_is_an_error()
        => Assert.That(() => Open([.. s_family.Tensors(),
            Zeros("resampler.modules_to_save.default.query", 16, 256)], _ => 0),
            Throws.TypeOf<InvalidModelException>().With.Message.Contains("tensor 'resampler.query': expected one " +
                "tensor of this name, found 'resampler.modules_to_save.default.query' and 'resampler.query'"));

    [TestCase("resampler.attn.out_proj.lora_A.default.weight")]
    [TestCase("resampler.kv_proj.lora_B.weight")]
    [TestCase("base_model.model.resampler.kv_proj.base_layer.weight")]
    public void An_adapter_that_is_not_merged_is_an_error(string name)
    {
        string expected = $"expected the resampler's weights alone, found '{name}' of an adapter (LoRA) that is not " +
            "merged; merge it first (in PEFT: merge_and_unload) and save again";

        Assert.That(() => Open([.. s_family.Tensors(), Zeros(name, 2, 2)], _ => 0),
            Throws.TypeOf<InvalidModelException>().With.Message.EndsWith(expected));
        Assert.That(() => Open([.. s_family.Tensors().Where(tensor
            => !tensor.Name.Contains("out_proj", StringComparison.Ordinal)), Zeros(name, 2, 2)], _ => 0),
            Throws.TypeOf<InvalidModelException>().With.Message.EndsWith(expected));
    }

    [Test]
    public void In_our_layout_an_adapter_is_an_error_and_a_trained_copy_wins()
    {
        Assert.That(Problems(SingleConfig, [.. Tensors(SingleConfig),
            Zeros("scopes.0.attn.q_proj.lora_A.weight", 1, 1), Zeros("scopes.0.attn.q_proj.lora_B.weight", 1, 1)]),
            Is.EqualTo(new[]
            {
                "expected the resampler's weights alone, found 'scopes.0.attn.q_proj.lora_A.weight' and 1 more " +
                    "tensors of an adapter (LoRA) that is not merged; merge it first (in PEFT: merge_and_unload) and " +
                    "save again",
            }));
        Assert.That(Warnings(SingleConfig, [.. Rename(SingleConfig, name => "modules_to_save.default." + name),
            Zeros("original_module.query", 6, 24)]).Single(), Does.StartWith("1 tensors of 'original_module'"));
    }

    [Test]
    public void In_our_layout_an_unused_table_of_positions_is_ignored()
    {
        ResamplerConfig none = SingleConfig with
        {
            PositionEmbedding = new(PositionEmbeddingType.None, PositionEmbeddingType.None),
        };
        TensorToWrite table = Zeros("pos_embed", 6, 24);

        Assert.That(Warnings(none, [.. Tensors(none), table]), Is.EqualTo(new[]
        {
            "tensor 'pos_embed' was ignored: the configuration has no stored positions",
        }));
        Assert.That(Problems(SingleConfig, [.. Tensors(SingleConfig), table]), Is.EqualTo(new[]
        {
            "tensor 'pos_embed': this configuration does not use it; found F32 [6, 24]",
        }), "with sines");
    }
}
