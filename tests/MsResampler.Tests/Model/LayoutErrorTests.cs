using MsResampler.Safetensors;
using static MsResampler.Tests.Model.BoundWeights;

namespace MsResampler.Tests.Model;

/// <summary>The errors of checkpoints that no layout fits, or not the one that was asked for.</summary>
public class LayoutErrorTests
{
    private const string Tried = "tried ms-resampler, minicpm-v-2.0, minicpm-v-2.5, minicpm-v-2.6, minicpm-v-4.0, " +
        "minicpm-v-4.5, minicpm-o-2.6, minicpm-o-4.0, minicpm-o-4.5, omnilmm-12b, qwen-vl";

    private static string[] Problems(IEnumerable<TensorToWrite> tensors, string? json = null,
        CheckpointLayout? layout = null)
    {
        using TemporaryFolder folder = new();
        SafetensorsWriter.Write(folder.File("model.safetensors"), tensors);
        if (json is not null)
            File.WriteAllText(folder.File(ResamplerModel.ConfigFileName), json);
        InvalidModelException error = Assert.Throws<InvalidModelException>(
            () => ResamplerModel.Open(folder.Path, layout).Dispose())!;
        Assert.That(error.Message, Does.StartWith(folder.Path).And.Not.Contain("\n"));
        return [.. error.Problems];
    }

    private static IEnumerable<TensorToWrite> Without(string family, params string[] roles)
        => PublishedFamily.Of(family).Tensors()
            .Where(tensor => !roles.Any(role => tensor.Name.EndsWith("." + role, StringComparison.Ordinal)));

    private static IEnumerable<TensorToWrite> LanguageModel() => Enumerable.Range(0, 300)
        .Select(layer => Zeros($"llm.layers.{layer}.self_attn.q_proj.weight", 1))
        .Concat(PublishedFamily.Others());

    [Test]
    public void A_checkpoint_without_a_resampler_says_so()
        => Assert.That(Problems(LanguageModel()), Is.EqualTo(new[]
        {
            $"expected the tensors of a resampler, found none among 309 tensors ({Tried})",
        }));

    [Test]
    public void A_resampler_that_lacks_tensors_names_the_nearest_layout_and_at_most_five()
    {
        IEnumerable<TensorToWrite> tensors = [.. Without("minicpm-v-2.6", "ln_q.bias", "proj"), .. LanguageModel(),
            Zeros("resampler.ln_query.bias", 256), Zeros("resampler.proj.0", 256, 3)];

        Assert.That(Problems(tensors, PublishedFamily.Of("minicpm-v-2.6").Json), Is.EqualTo(new[]
        {
            $"expected a resampler, found none that is complete ({Tried}); the nearest is minicpm-v-2.6 " +
                "(config.json: minicpmv 2.6; 10 of 12 tensors under 'resampler.'), which lacks " +
                "'resampler.ln_q.bias', 'resampler.proj'; found instead 'resampler.ln_query.bias' F32 [256], " +
                "'resampler.proj.0' F32 [256, 3]",
        }));
        Assert.That(Problems([.. tensors.Where(tensor => tensor.Name.EndsWith("query", StringComparison.Ordinal)
            || !tensor.Name.StartsWith("resampler.", StringComparison.Ordinal)),
            .. Enumerable.Range(0, 7).Select(index => Zeros($"resampler.x{index}", 1))]).Single(),
            Does.Contain("1 of 12 tensors under 'resampler.'), which lacks 'resampler.ln_q.weight', " +
                "'resampler.ln_q.bias', 'resampler.ln_kv.weight', 'resampler.ln_kv.bias', " +
                "'resampler.attn.in_proj_weight' and 6 more; found instead 'resampler.x0' F32 [1], ")
                .And.EndWith(" 'resampler.x4' F32 [1] and 2 more"));
    }

    [Test]
    public void The_missing_tensors_of_QwenVL_are_named_where_they_belong()
        => Assert.That(Problems([.. Without("qwen-vl", "ln_post.weight", "pos_embed"), .. LanguageModel()]).Single(),
            Does.EndWith("the nearest is qwen-vl (its tensors; 11 of 13 tensors under " +
                "'transformer.visual.attn_pool.'), which lacks 'transformer.visual.attn_pool.pos_embed', " +
                "'transformer.visual.ln_post.weight'"));

    [Test]
    public void The_tensors_of_a_shard_that_is_missing_are_named_with_the_reason()
    {
        using TemporaryFolder folder = new();
        List<TensorToWrite> tensors = PublishedFamily.Of("minicpm-v-2.6").Tensors();
        SafetensorsWriter.Write(folder.File("2.safetensors"), tensors);
        File.WriteAllText(folder.File("model.safetensors.index.json"), "{\"weight_map\":{" + string.Join(',',
            tensors.Select(tensor => $"\"{tensor.Name}\":\"" + (tensor.Name.EndsWith("query", StringComparison.Ordinal)
                ? "1.safetensors\"" : "2.safetensors\""))) + "}}");

        Assert.That(() => ResamplerModel.Open(folder.Path), Throws.TypeOf<InvalidModelException>().With.Message
            .EndsWith("which lacks 'resampler.query': the index places it in '1.safetensors': found no such file"));
        File.WriteAllText(folder.File("1.safetensors"), "version https://git-lfs.github.com/spec/v1\n");
        Assert.That(() => ResamplerModel.Open(folder.Path), Throws.TypeOf<InvalidModelException>().With.Message
            .EndsWith("'1.safetensors': expected a safetensors file, found a Git LFS pointer in place of the file; " +
                "run: git lfs pull"));
    }

    [Test]
    public void A_layout_that_was_asked_for_and_does_not_fit_says_what_is_missing()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Problems(Without("minicpm-v-2.6"), layout: CheckpointLayout.QwenVL), Is.EqualTo(new[]
            {
                "expected layout qwen-vl, found no 'resampler.pos_embed'; the tensors fit minicpm-v-2.5, " +
                    "minicpm-v-2.6, minicpm-v-4.0, minicpm-v-4.5, minicpm-o-2.6 and 2 more",
            }));
            Assert.That(Problems(Without("qwen-vl"), layout: CheckpointLayout.MiniCpmV25).Single(),
                Does.EndWith("; the tensors fit qwen-vl"));
            Assert.That(Problems(Without("minicpm-v-2.0"), layout: CheckpointLayout.MiniCpmV26), Is.EqualTo(new[]
            {
                "tensor 'resampler.pos_embed': layout minicpm-v-2.6 does not use it; found F32 [16, 256]",
            }));
            Assert.That(Problems(LanguageModel(), layout: CheckpointLayout.MiniCpmV26), Is.EqualTo(new[]
            {
                "expected the tensors of a resampler, found none among 309 tensors (tried minicpm-v-2.6)",
            }));
        }

        using TemporaryFolder folder = new();
        SafetensorsWriter.Write(folder.File("model.safetensors"), Without("minicpm-v-2.6"));
        Assert.That(() => ResamplerModel.Open(folder.Path, CheckpointLayout.MsResampler),
            Throws.TypeOf<FileNotFoundException>().With.Message.EndsWith("config.json: expected the model's " +
                "configuration, found no such file"));
    }

    [Test]
    public void A_configuration_that_contradicts_the_tensors_is_an_error()
    {
        Assert.That(Problems(Without("minicpm-v-2.0"), PublishedFamily.Of("minicpm-v-4.5").Json).Single(),
            Is.EqualTo("tensor 'resampler.pos_embed': layout minicpm-v-4.5 does not use it; found F32 [16, 256]"));
        Assert.That(Problems(Without("omnilmm-12b", "pos_embed"), PublishedFamily.Of("omnilmm-12b").Json).Single(),
            Does.Contain("the nearest is omnilmm-12b (config.json: omnilmm without a version; 12 of 13 tensors under " +
                "'model.resampler.'), which lacks 'model.resampler.pos_embed'"));
    }

    [Test]
    public void An_unknown_tensor_of_the_resampler_is_an_error_and_a_buffer_is_not()
    {
        Assert.That(Problems([.. Without("minicpm-v-2.6"), Zeros("resampler.mlp.weight", 3, 2)],
            PublishedFamily.Of("minicpm-v-2.6").Json), Is.EqualTo(new[]
            {
                "tensor 'resampler.mlp.weight': layout minicpm-v-2.6 does not use it; found F32 [3, 2]",
            }));

        using TemporaryFolder folder = new();
        SafetensorsWriter.Write(folder.File("model.safetensors"),
            [.. Without("minicpm-v-2.5"), Zeros("resampler.attn.inv_freq", 3)]);
        using ResamplerModel model = ResamplerModel.Open(folder.Path);
        Assert.That(model.Warnings.Single(), Does.Contain("'resampler.attn.inv_freq' was ignored: a buffer"));
    }

    [TestCase(200)]
    [TestCase(64)]
    public void A_width_that_has_no_heads_of_128_channels_is_an_error(int width)
        => Assert.That(Problems(Replace([.. Without("minicpm-v-2.5")], Zeros("resampler.query", 96, width))),
            Is.EqualTo(new[]
            {
                "tensor 'resampler.query': expected a width D that is a multiple of 128, as heads of layout " +
                    $"minicpm-v-2.5 have 128 channels, found {width}",
            }));

    [Test]
    public void Stored_positions_need_a_square_number_of_queries()
        => Assert.That(Problems(Replace([.. Without("omnilmm-12b")], Zeros("model.resampler.query", 12, 256))).Single(),
            Is.EqualTo("tensor 'model.resampler.query': expected a square number of queries, because positions are " +
                "stored for a square grid, found 12"));

    [Test]
    public void Sizes_are_taken_from_tensors_with_two_extents()
    {
        Assert.That(Problems(Replace([.. Without("minicpm-v-2.5")], Zeros("resampler.query", 96, 2, 128))),
            Is.EqualTo(new[]
            {
                "tensor 'resampler.query': expected shape [M, D] with extents from 1 to 16777216, " +
                    "found [96, 2, 128]",
            }));
        Assert.That(Problems(Replace([.. Without("minicpm-v-2.5")], Zeros("resampler.proj", 256, 0))).Single(),
            Does.EndWith("found [256, 0]"));
        Assert.That(Problems(Replace([.. Without("minicpm-v-2.5")], Zeros("resampler.proj", 128, 256))).Single(),
            Is.EqualTo("tensor 'resampler.proj': expected shape [256, 256], found [128, 256]"));
    }

    [Test]
    public void Two_resamplers_that_fit_equally_well_are_an_error()
        => Assert.That(Problems([.. Without("minicpm-v-2.6"), .. PublishedFamily.Of("minicpm-v-2.6")
            .Tensors(rename: name => "b." + name)]), Is.EqualTo(new[]
            {
                "tensor names: expected one resampler, found two that fit equally well, under 'resampler.' and " +
                    "'b.resampler.'",
            }));

    [Test]
    public void The_gate_of_a_language_model_is_not_that_of_this_project()
    {
        using TemporaryFolder folder = new();
        SafetensorsWriter.Write(folder.File("model.safetensors"),
            [.. Without("minicpm-v-4.5"), Zeros("llm.layers.0.mlp.gate.fc1.weight", 3, 2)]);
        File.WriteAllText(folder.File(ResamplerModel.ConfigFileName), PublishedFamily.Of("minicpm-v-4.5").Json);

        using ResamplerModel model = ResamplerModel.Open(folder.Path);
        Assert.That(model.Layout, Is.EqualTo(CheckpointLayout.MiniCpmV45));
    }

    [Test]
    public void Of_two_resamplers_the_layout_or_else_the_configuration_chooses()
    {
        TensorToWrite[] tensors = [.. Without("minicpm-v-2.6"), .. Without("qwen-vl")];
        Assert.That(Problems(tensors).Single(), Does.EndWith(
            "two that fit equally well, under 'resampler.' and 'transformer.visual.attn_pool.'"));
        using TemporaryFolder folder = new();
        SafetensorsWriter.Write(folder.File("model.safetensors"), tensors);
        using (Assert.EnterMultipleScope())
        {
            foreach (string family in (string[])["minicpm-v-2.6", "qwen-vl"])
            {
                File.Delete(folder.File(ResamplerModel.ConfigFileName));
                Assert.That(Prefix(CheckpointLayout.Find(family)), Is.EqualTo(PublishedPrefix(family)));
                File.WriteAllText(folder.File(ResamplerModel.ConfigFileName), PublishedFamily.Of(family).Json);
                Assert.That(Prefix(null), Is.EqualTo(PublishedPrefix(family)));
            }
        }

        static string PublishedPrefix(string family)
            => family == "qwen-vl" ? "transformer.visual.attn_pool." : "resampler.";

        string Prefix(CheckpointLayout? layout)
        {
            using ResamplerModel model = ResamplerModel.Open(folder.Path, layout);
            return model.TensorPrefix;
        }
    }

    [Test]
    public void Tensors_of_this_project_without_a_configuration_ask_for_it()
    {
        using TemporaryFolder folder = new();
        SafetensorsWriter.Write(folder.File("model.safetensors"), Tensors(GatedConfig));

        Assert.That(() => ResamplerModel.Open(folder.Path), Throws.TypeOf<FileNotFoundException>()
            .With.Message.EndsWith("config.json: expected the model's configuration, found no such file"));
        File.WriteAllText(folder.File(ResamplerModel.ConfigFileName), "{}");
        Assert.That(() => ResamplerModel.Open(folder.Path), Throws.TypeOf<InvalidModelException>()
            .With.Message.Contains("field 'model_type': expected \"ms_resampler\", found nothing"));
    }

    [TestCase("pytorch_model.bin")]
    [TestCase("consolidated.00.pth")]
    public void A_folder_of_another_format_says_to_convert(string name)
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.File(name), "x");

        foreach (string? json in (string?[])[null, PublishedFamily.Of("minicpm-v-2.6").Json])
        {
            if (json is not null)
                File.WriteAllText(folder.File(ResamplerModel.ConfigFileName), json);
            Assert.That(() => ResamplerModel.Open(folder.Path), Throws.TypeOf<FileNotFoundException>()
                .With.Message.EndsWith($"found none, but '{name}'; convert it to safetensors"));
        }
    }

    [Test]
    public void A_folder_with_GGUF_files_says_to_name_the_file()
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.File("mmproj-model-f16.gguf"), "GGUF");

        Assert.That(() => ResamplerModel.Open(folder.Path), Throws.TypeOf<FileNotFoundException>().With.Message
            .EndsWith("found none, but 'mmproj-model-f16.gguf'; name the mmproj file itself, not its folder"));
    }

    [Test]
    public void A_folder_of_downloaded_revisions_says_which_to_open()
    {
        using TemporaryFolder folder = new();
        string revision = Path.Combine(folder.Path, "snapshots", "8a7b1c0e");
        Directory.CreateDirectory(revision);

        Assert.That(() => ResamplerModel.Open(folder.Path), Throws.TypeOf<FileNotFoundException>().With.Message
            .EndsWith("found no such file; the folder holds downloaded revisions of a model: open one, such as " +
                revision));
    }

    [Test]
    public void Values_that_are_not_finite_are_errors_as_in_our_layout()
        => Assert.That(Problems(Replace([.. Without("minicpm-v-2.5")], new TensorToWrite("resampler.proj",
            TensorType.F32, [256, 256], (_, values) => values.Fill(float.NaN)))).Single(),
            Does.StartWith("tensor 'resampler.proj': expected finite numbers"));
}
