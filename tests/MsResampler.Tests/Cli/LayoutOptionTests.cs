using MsResampler.Safetensors;
using MsResampler.Tests.Model;

namespace MsResampler.Tests.Cli;

/// <summary>The commands take published checkpoints, and <c>--layout</c>.</summary>
internal sealed class LayoutOptionTests : CliFixture
{
    private string Published(string layout, string? json = null)
    {
        string folder = Directory.CreateDirectory(In($"{layout}-{Guid.NewGuid():n}")).FullName;
        PublishedFamily.Of(layout).Write(folder, json: json);
        return folder;
    }

    private string Bare(string layout)
    {
        string folder = Directory.CreateDirectory(In($"bare-{Guid.NewGuid():n}")).FullName;
        string path = Path.Combine(folder, "resampler.safetensors");
        SafetensorsWriter.Write(path, PublishedFamily.Of(layout).Tensors());
        return path;
    }

    private string Features() => WriteFeatures($"{Guid.NewGuid():n}.safetensors",
        ("features", [4, 4, PublishedFamily.ChannelCount], Values(16 * PublishedFamily.ChannelCount, 1)));

    [Test]
    public void Inspect_shows_the_layout_and_where_each_value_is_from()
    {
        string output = CliRun.Of("inspect", Published("minicpm-v-4.5"), "--grid", "4x4").Succeeds().Output;

        using (Assert.EnterMultipleScope())
        {
            Assert.That(output,
                Does.Match(@"\nlayout +minicpm-v-4\.5 \(MiniCPM-V 4\.5\) +config\.json: minicpmv 4\.5\n"));
            Assert.That(output, Does.Match(@"\nchannels of a patch \(C\) +96 +kv_proj\.weight \[D, C\]\n"));
            Assert.That(output,
                Does.Match(@"\nwidth \(D\) +256 in 2 heads of 128 +query \[M, D\]; heads of this layout\n"));
            Assert.That(output, Does.Match(@"\nqueries \(M\) +8x8 = 64, shared by the scopes +query \[M, D\]"));
            Assert.That(output, Does.Match(@"\nsize of a token \(L\) +256 +proj \[D, L\]\n"));
            Assert.That(output, Does.Match(@"\npositions of keys +sincos2d +layout\n"));
            Assert.That(output, Does.Match(@"\npositions of queries +none +layout\n"));
            Assert.That(output, Does.Match(@"\npositions of frames +sincos1d +layout\n"));
            Assert.That(output, Does.Contain("0 global: sees every patch"));
            Assert.That(output, Does.Match(@"\nresampler\.proj +F32 +\[256, 256\] +262,144\n"));
            Assert.That(output, Does.Contain("13 tensors, ").And.Contain("9 other tensors are not read"));
            Assert.That(output, Does.Not.Contain("lm_head"));
        }
    }

    [Test]
    public void Inspect_of_the_own_layout_names_it()
        => Assert.That(CliRun.Of("inspect", Model).Succeeds().Output,
            Does.Match(@"\nlayout +ms-resampler +config\.json\n")
                .And.Match(@"\nwidth \(D\) +8 in 2 heads of 4 +config"));

    [Test]
    public void Every_command_takes_a_published_folder_and_a_file()
    {
        foreach (string path in (string[])[Published("qwen-vl"), Bare("qwen-vl")])
        {
            string tokens = In($"{Guid.NewGuid():n}.safetensors");
            CliRun.Of("run", "--model", path, "--features", Features(), "--out", tokens).Succeeds();
            CliRun.Of("inspect", "--model", path, "--grid", "4x4").Succeeds();
            CliRun.Of("verify", "--model", path, "--backend", "cpu").Succeeds();
            CliRun.Of("export-onnx", "--model", path, "--grid", "4x4", "--out", In($"{Guid.NewGuid():n}.onnx"))
                .Succeeds();
            CliRun.Of("bench", "--model", path, "--grid", "4x4", "--seconds", "0.01").Succeeds();
            using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(tokens);
            Assert.That(checkpoint.Tensors.Single().Shape, Is.EqualTo(new[] { 1, 16, 256 }));
        }
    }

    [Test]
    public void The_option_chooses_the_layout()
    {
        string path = Bare("minicpm-v-4.5");

        Assert.That(CliRun.Of("inspect", path, "--layout", "minicpm-v-4.5").Succeeds().Output,
            Does.Match(@"\nlayout +minicpm-v-4\.5 \(MiniCPM-V 4\.5\) +as asked\n").And.Match(@"frames +sincos1d"));
        Assert.That(CliRun.Of("inspect", path).Error,
            Does.StartWith("warning: ").And.Contain("--layout minicpm-v-4.5"));
        CliRun.Of("inspect", path, "--layout", "qwen-vl").FailsNaming("expected layout qwen-vl", "pos_embed");
        CliRun.Of("run", "--model", path, "--features", Features(), "--out", In("t.npy"), "--layout", "ms-resampler")
            .FailsNaming("config.json");
    }

    [Test]
    public void An_unknown_layout_is_an_error_that_lists_the_names()
    {
        foreach (string command in (string[])["run", "verify", "bench", "export-onnx", "inspect"])
        {
            string[] others = command switch
            {
                "run" => ["--features", "x", "--out", "x"],
                "export-onnx" => ["--out", "x"],
                "bench" => ["--grid", "4x4"],
                _ => [],
            };
            CliRun run = CliRun.Of([command, "--model", Model, "--layout", "minicpm", .. others]);
            Assert.That(run.Error, Does.Contain($"--layout: expected one of {CheckpointLayout.Names}, found 'minicpm'"),
                command);
        }
    }

    [Test]
    public void The_output_must_not_replace_a_file_that_is_the_model()
    {
        string path = Bare("qwen-vl");
        CliRun.Of("run", "--model", path, "--features", Features(), "--out", path).FailsNaming("the model");
        CliRun.Of("run", "--model", path, "--features", Features(), "--out",
            Path.Combine(Path.GetDirectoryName(path)!, "tokens.safetensors")).Succeeds();
    }

    [Test]
    public void A_checkpoint_without_a_resampler_is_one_short_error()
    {
        string folder = Directory.CreateDirectory(In($"llm-{Guid.NewGuid():n}")).FullName;
        SafetensorsWriter.Write(Path.Combine(folder, "model.safetensors"), PublishedFamily.Others());
        File.WriteAllText(Path.Combine(folder, "config.json"), "{\"model_type\": \"llama\"}");

        CliRun.Of("run", "--model", folder, "--features", Features(), "--out", In("t.npy"))
            .FailsNaming("expected the tensors of a resampler, found none among 9 tensors (tried ms-resampler, ");
    }
}
