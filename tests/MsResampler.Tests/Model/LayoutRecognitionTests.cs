using System.Text;
using MsResampler.Safetensors;

namespace MsResampler.Tests.Model;

/// <summary>Which layout a checkpoint has, by its tensors and its config.json.</summary>
public class LayoutRecognitionTests
{
    private const string V = "\"model_type\": \"minicpmv\"";
    private const string O = "\"model_type\": \"minicpmo\"";

    /// <summary>Opens a family's tensors beside a configuration; null for none.</summary>
    private static (string Layout, IReadOnlyList<string> Warnings) Open(string family, string? json,
        Func<string, string>? rename = null, CheckpointLayout? layout = null, params TensorToWrite[] others)
    {
        using TemporaryFolder folder = new();
        SafetensorsWriter.Write(folder.File("model.safetensors"),
            [.. PublishedFamily.Of(family).Tensors(rename: rename), .. others]);
        if (json is not null)
            File.WriteAllText(folder.File(ResamplerModel.ConfigFileName), json);
        using ResamplerModel model = ResamplerModel.Open(folder.Path, layout);
        return (model.Layout.Name, model.Warnings);
    }

    [TestCase("minicpm-v-2.6", V + ", \"version\": 2.6", "minicpm-v-2.6")]
    [TestCase("minicpm-v-2.6", V + ", \"version\": \"2.6\"", "minicpm-v-2.6")]
    [TestCase("minicpm-v-2.6", V + ", \"version\": \"v2_6\"", "minicpm-v-2.6")]
    [TestCase("minicpm-v-2.6", V + ", \"version\": \" 2.60-int8\"", "minicpm-v-2.6")]
    [TestCase("minicpm-v-2.6", V + ", \"version\": 4", "minicpm-v-4.0")]
    [TestCase("minicpm-v-2.6", V + ", \"version\": \"4.0\"", "minicpm-v-4.0")]
    [TestCase("minicpm-v-2.6", V + ", \"version\": 4.5", "minicpm-v-4.5")]
    [TestCase("minicpm-v-2.6", V + ", \"version\": \"4.5\"", "minicpm-v-4.5")]
    [TestCase("minicpm-v-2.6", O + ", \"version\": 4.5", "minicpm-o-4.5")]
    [TestCase("minicpm-v-2.6", O + ", \"version\": \"4.5\", \"batch_3d_resampler\": true", "minicpm-o-4.5")]
    [TestCase("minicpm-v-2.6", O + ", \"version\": 4.0", "minicpm-o-4.0")]
    [TestCase("minicpm-v-2.6", O + ", \"version\": 2.6", "minicpm-o-2.6")]
    [TestCase("minicpm-v-2.6", O, "minicpm-o-2.6")]
    [TestCase("minicpm-v-2.6", V, "minicpm-v-2.5")]
    [TestCase("minicpm-v-2.6", V + ", \"version\": null", "minicpm-v-2.5")]
    [TestCase("minicpm-v-2.6", V + ", \"batch_3d_resampler\": false", "minicpm-v-4.5")]
    [TestCase("minicpm-v-2.5", V, "minicpm-v-2.5")]
    [TestCase("minicpm-v-2.0", V, "minicpm-v-2.0")]
    [TestCase("minicpm-v-2.0", V + ", \"version\": \"2.0\"", "minicpm-v-2.0")]
    [TestCase("minicpm-v-2.6", "\"architectures\": [\"MiniCPMV\"], \"version\": 4.5", "minicpm-v-4.5")]
    [TestCase("minicpm-v-2.6", "\"architectures\": [\"MiniCPMVForCausalLM\"], \"version\": 4.5", "minicpm-v-4.5")]
    [TestCase("minicpm-v-2.6", "\"model_type\": \"minicpm\", \"architectures\": [\"MiniCPMO\"], \"version\": 4.5",
        "minicpm-o-4.5")]
    [TestCase("omnilmm-12b", "\"model_type\": \"omnilmm\"", "omnilmm-12b")]
    [TestCase("omnilmm-12b", "\"architectures\": [\"OmniLMMForCausalLM\"]", "omnilmm-12b")]
    [TestCase("qwen-vl", "\"model_type\": \"qwen\"", "qwen-vl")]
    public void A_configuration_chooses_where_tensors_leave_a_choice(string family, string fields, string layout)
    {
        (string found, IReadOnlyList<string> warnings) = Open(family, "{" + fields + "}");

        Assert.That(found, Is.EqualTo(layout));
        Assert.That(warnings, Is.Empty);
    }

    [TestCase("minicpm-v-2.0", "resampler.", "minicpm-v-2.0")]
    [TestCase("minicpm-v-2.0", "model.vision.resampler.", "minicpm-v-2.0")]
    [TestCase("omnilmm-12b", "model.resampler.", "omnilmm-12b")]
    [TestCase("omnilmm-12b", "x.model.resampler.", "omnilmm-12b")]
    [TestCase("qwen-vl", "transformer.visual.attn_pool.", "qwen-vl")]
    [TestCase("qwen-vl", "attn_pool.", "qwen-vl")]
    [TestCase("minicpm-v-2.5", "", "minicpm-v-2.5")]
    [TestCase("minicpm-v-2.5", "resampler.", "minicpm-v-2.5")]
    [TestCase("minicpm-v-2.5", "a.b.", "minicpm-v-2.5")]
    public void Bare_tensors_are_recognised_by_their_names(string family, string prefix, string layout)
    {
        string old = PublishedFamily.Of(family).Prefix;
        string outer = PublishedFamily.Of(family).Outer;
        string newOuter = prefix.EndsWith("attn_pool.", StringComparison.Ordinal)
            ? prefix[..^"attn_pool.".Length] : prefix;
        foreach (string? json in (string?[])[null, "{}", "{\"model_type\": \"other\", \"version\": 9}"])
        {
            (string found, IReadOnlyList<string> warnings) = Open(family, json, name
                => name.StartsWith(old, StringComparison.Ordinal)
                    ? prefix + name[old.Length..] : newOuter + name[outer.Length..]);

            Assert.That(found, Is.EqualTo(layout));
            Assert.That(warnings, Is.Empty);
        }
    }

    [Test]
    public void Bare_tensors_that_may_have_time_are_taken_without_it_and_the_warning_says_how_to_choose()
    {
        (string layout, IReadOnlyList<string> warnings) = Open("minicpm-v-4.5", json: null);

        Assert.That(CheckpointLayout.Find(layout)!.Positions.Frames, Is.EqualTo(FrameEmbeddingType.None));
        Assert.That(warnings.Single(), Does.Contain("the tensors also fit minicpm-v-4.5, whose tokens differ for " +
            "groups of frames and not for images; --layout minicpm-v-4.5"));
        Assert.That(Open("minicpm-v-4.5", null, layout: CheckpointLayout.MiniCpmV45).Warnings, Is.Empty);
        Assert.That(Open("minicpm-v-4.5", null, others: BoundWeights.Zeros("apm.conv1.weight", 1)),
            Is.EqualTo(("minicpm-o-2.6", Array.Empty<string>())), "audio is of the families without time");
    }

    [TestCase(4096, 64, "minicpm-o-4.5", true)]
    [TestCase(4096, 96, "minicpm-v-2.5", false)]
    [TestCase(3584, 64, "minicpm-v-2.6", false)]
    [TestCase(2560, 64, "minicpm-v-4.0", false)]
    [TestCase(256, 64, "minicpm-v-2.6", true)]
    [TestCase(256, 49, "minicpm-v-2.5", true)]
    public void Bare_tensors_of_a_published_size_have_its_layout(int width, int queryCount, string layout,
        bool hasWarning)
    {
        // Only the shape of the query is needed to recognise a layout.
        using TemporaryFolder folder = new();
        SafetensorsWriter.Write(folder.File("a.safetensors"), BoundWeights.Replace(
            PublishedFamily.Of("minicpm-v-2.6").Tensors(), BoundWeights.Zeros("resampler.query", queryCount, width)));
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(folder.Path);

        LayoutMatch match = LayoutRecognition.Recognise(new TensorNames(checkpoint), "", config: null, layout: null);

        Assert.That((match.Layout.Name, match.Warnings.Count > 0), Is.EqualTo((layout, hasWarning)));
    }

    [Test]
    public void A_bare_table_without_a_module_must_be_told_what_it_is_for()
    {
        static string WithoutPrefix(string name) => name["resampler.".Length..];

        Assert.That(() => Open("minicpm-v-2.0", json: null, WithoutPrefix), Throws.TypeOf<InvalidModelException>()
            .With.Message.EndsWith("the tensors without a prefix fit the layouts minicpm-v-2.0, omnilmm-12b, " +
                "qwen-vl, whose tokens differ; name one (--layout, ResamplerOptions.Layout)"));
        foreach (CheckpointLayout layout in (CheckpointLayout[])
            [CheckpointLayout.MiniCpmV20, CheckpointLayout.OmniLmm12B, CheckpointLayout.QwenVL])
        {
            Assert.That(Open("minicpm-v-2.0", null, WithoutPrefix, layout),
                Is.EqualTo((layout.Name, Array.Empty<string>())));
        }
    }

    [Test]
    public void An_unknown_version_is_an_error_that_lists_the_known_ones()
    {
        Assert.That(() => Open("minicpm-v-2.6", "{" + V + ", \"version\": \"5.1\"}"),
            Throws.TypeOf<InvalidModelException>().With.Message.Contains("config.json: expected version 2.0, 2.5, " +
                "2.6, 4.0, 4.5 of minicpmv, found '5.1'; if its resampler is that of another version, name the " +
                "layout (--layout, ResamplerOptions.Layout)"));
        Assert.That(Open("minicpm-v-2.6", "{" + V + ", \"version\": 5.1}", layout: CheckpointLayout.MiniCpmV26)
            .Layout, Is.EqualTo("minicpm-v-2.6"));
    }

    [Test]
    public void Models_with_similar_names_are_not_taken_for_the_families()
    {
        string found = Open("minicpm-v-2.0", "{\"model_type\": \"minicpmv4_6\", \"version\": 4.6}").Layout;

        Assert.That(found, Is.EqualTo("minicpm-v-2.0"), "by its tensors, although this is not a known version");
    }

    [Test]
    public void Another_number_of_queries_in_the_configuration_is_a_warning()
    {
        Assert.That(Open("omnilmm-12b", "{\"model_type\": \"omnilmm\", \"num_query\": 64}").Warnings, Is.EqualTo(new[]
        {
            "the number of queries in config.json (64) was ignored: the checkpoint has 16",
        }));
    }

    [Test]
    public void Any_form_of_the_configuration_is_read()
    {
        foreach (string json in (string[])["{\"dtype\": \"bfloat16\"}", "{\"torch_dtype\": null}",
            "{\"torch_dtype\": \"float8\"}", "\ufeff{}", "{\"version\": [1]}", "{\"architectures\": [1, null]}",
            "{\"architectures\": \"MiniCPMV\"}", "{\"model_type\": \"\\ud800\"}", "{\"a\": 1, \"a\": 2}"])
            Assert.That(Open("minicpm-v-2.5", json).Layout, Is.EqualTo("minicpm-v-2.5"), json);
        foreach (string json in (string[])["", "[]", "no", "{\"a\": "])
        {
            Assert.That(() => Open("minicpm-v-2.5", json), Throws.TypeOf<InvalidModelException>()
                .With.Message.Contains("config.json: "), json);
        }
    }

    [Test]
    public void Every_name_is_found_and_others_are_not()
    {
        foreach (CheckpointLayout layout in CheckpointLayout.All)
            Assert.That(CheckpointLayout.Find(layout.Name), Is.SameAs(layout));
        Assert.That(CheckpointLayout.Find("MiniCPM-V"), Is.Null);
        Assert.That(CheckpointLayout.QwenVL.ToString(), Is.EqualTo("qwen-vl"));
    }

    [Test]
    public void The_own_layout_is_recognised_by_its_configuration()
    {
        using TemporaryFolder folder = new();
        ResamplerConfig config = PublishedFamily.Of("minicpm-v-2.0").Config;
        File.WriteAllText(folder.File(ResamplerModel.ConfigFileName), ConfigJson.Of(config), Encoding.UTF8);
        SafetensorsWriter.Write(folder.File("model.safetensors"), PublishedFamily.Of("minicpm-v-2.0").Tensors());

        using ResamplerModel model = ResamplerModel.Open(folder.Path);
        using ResamplerModel file = ResamplerModel.Open(folder.File("model.safetensors"));

        Assert.That(model.Layout, Is.SameAs(CheckpointLayout.MsResampler));
        Assert.That(file.Layout, Is.SameAs(CheckpointLayout.MsResampler), "config.json is beside the file");
        Assert.That(() => ResamplerModel.Open(folder.Path, CheckpointLayout.MiniCpmV20), Throws.Nothing);
    }
}
