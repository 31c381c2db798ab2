using System.Diagnostics;

namespace MsResampler.Tests.Cli;

/// <summary>The output of a command never replaces one of its inputs, under any name.</summary>
internal sealed class OutputTests : CliFixture
{
    private static readonly string[] s_spellings =
    [
        "{0}/model/{1}", "{0}/./model/{1}", "{0}/model/../model/{1}", "{0}/folder-link/{1}", "{0}/link-{1}",
        "{0}/hard-{1}", "{0}/link-to-link-{1}",
    ];

    private string _features = "";

    [OneTimeSetUp]
    public void CreateLinks()
    {
        _features = WriteFeatures("features.safetensors", ("features", [2, 2, ChannelCount],
            Values(4 * ChannelCount, 1)));
        Directory.CreateSymbolicLink(In("folder-link"), Model);
        foreach (string name in (string[])["config.json", "model.safetensors"])
        {
            File.CreateSymbolicLink(In("link-" + name), Path.Combine(Model, name));
            File.CreateSymbolicLink(In("link-to-link-" + name), "link-" + name);
            Link(Path.Combine(Model, name), In("hard-" + name));
        }
    }

    [Test]
    public void The_files_of_a_model_are_never_replaced([ValueSource(nameof(s_spellings))] string spelling)
    {
        Skip.If(spelling.Contains("hard", StringComparison.Ordinal) && !OperatingSystem.IsLinux(),
            "hard links are recognised on Linux only");
        byte[] config = File.ReadAllBytes(Path.Combine(Model, "config.json"));
        byte[] weights = File.ReadAllBytes(Path.Combine(Model, "model.safetensors"));
        string configPath = string.Format(null, spelling, Folder, "config.json");
        string weightsPath = string.Format(null, spelling, Folder, "model.safetensors");
        CliRun.Of("run", "--model", Model, "--features", _features, "--out", weightsPath)
            .FailsNaming(weightsPath, "of the model", "another name");
        CliRun.Of("export-onnx", "--model", In("folder-link"), "--out", configPath)
            .FailsNaming(configPath, "of the model");
        CliRun.Of("export-onnx", "--model", Model, "--out", weightsPath).FailsNaming(weightsPath, "of the model");
        CliRun.Of("bench", "--model", Model, "--grid", "2x2", "--seconds", "0.01", "--json", configPath)
            .FailsNaming(configPath, "of the model");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(File.ReadAllBytes(Path.Combine(Model, "config.json")), Is.EqualTo(config));
            Assert.That(File.ReadAllBytes(Path.Combine(Model, "model.safetensors")), Is.EqualTo(weights));
            Assert.That(new FileInfo(In("link-config.json")).LinkTarget, Is.Not.Null);
        }
    }

    [TestCase("model-00001-of-00002.safetensors")]
    [TestCase("model.safetensors.index.json")]
    [TestCase("MODEL.SAFETENSORS")]
    public void A_new_file_must_not_become_part_of_the_model(string name)
    {
        string path = Path.Combine(Model, name);
        CliRun.Of("export-onnx", "--model", Model, "--out", path).FailsNaming(path, "part of the model");
        Assert.That(File.Exists(path), Is.False);
    }

    [Test]
    public void Shards_and_their_index_belong_to_the_model()
    {
        Directory.CreateDirectory(In("sharded"));
        foreach (string name in (string[])["a.safetensors", "b.safetensors", "model.safetensors.index.json"])
            File.WriteAllText(Path.Combine(In("sharded"), name), "kept");
        foreach (string path in Directory.GetFiles(In("sharded")))
        {
            CliRun.Of("export-onnx", "--model", In("sharded"), "--out", path).FailsNaming(path);
            Assert.That(File.ReadAllText(path), Is.EqualTo("kept"));
        }
    }

    [Test]
    public void Tokens_do_not_replace_the_features([Values("", "./", "link")] string spelling)
    {
        string features = WriteNpy("own.npy", [2, 2, ChannelCount], Values(4 * ChannelCount, 2));
        byte[] before = File.ReadAllBytes(features);
        string output = spelling == "link" ? In("own-link.npy") : In($"{spelling}own.npy");
        if (spelling == "link")
            File.CreateSymbolicLink(output, "own.npy");
        CliRun.Of("run", "--model", Model, "--features", features, "--out", output)
            .FailsNaming(output, "an input of this command");
        Assert.That(File.ReadAllBytes(features), Is.EqualTo(before));
    }

    [Test]
    public void Maps_do_not_replace_the_pictures_of_the_run()
    {
        Directory.CreateDirectory(In("pictures"));
        string first = WritePicture("pictures/a.png", 4, 4, (x, y) => new SkiaSharp.SKColor((byte)x, (byte)y, 0));
        string second = WritePicture("pictures/000-a-gate.png", 4, 4, (_, _) => SkiaSharp.SKColors.Red);
        byte[] before = File.ReadAllBytes(second);
        CliRun.Of("run", "--model", Model, "--image", first, second, "--patch", "2", "--size", "4", "--out",
            In("pictures.npy"), "--maps", In("pictures")).FailsNaming("000-a-gate.png", "an input of this command");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(File.ReadAllBytes(second), Is.EqualTo(before));
            Assert.That(Directory.GetFiles(In("pictures")), Is.EquivalentTo(new[] { first, second }),
                "maps drawn before the error are deleted");
            Assert.That(File.Exists(In("pictures.npy")), Is.False);
        }
    }

    [Test]
    public void Kernels_do_not_replace_their_configuration()
    {
        Directory.CreateDirectory(In("ptx"));
        CliRun.Of("ptx", "--arch", "sm_80", "--out", In("ptx"), "--config", In("config.json")).Succeeds();
        string kernel = Directory.GetFiles(In("ptx"))[0];
        File.WriteAllText(kernel, Config);
        CliRun.Of("ptx", "--arch", "sm_80", "--out", In("ptx"), "--config", kernel)
            .FailsNaming(kernel, "an input of this command");
        Assert.That(File.ReadAllText(kernel), Is.EqualTo(Config));
    }

    [Test]
    public void Init_recreates_a_model_from_its_own_configuration()
    {
        string folder = In("anew");
        CliRun.Of("init", "--config", In("config.json"), "--out", folder).Succeeds();
        string config = Path.Combine(folder, "config.json");
        CliRun.Of("init", "--config", config, "--out", folder).FailsNaming("anew", "--force");
        CliRun.Of("init", "--config", config, "--out", folder, "--force", "--seed", "3").Succeeds();
        Assert.That(File.ReadAllText(config), Is.EqualTo(Config));
    }

    [Test]
    public void Demo_replaces_only_an_earlier_demo()
    {
        Directory.CreateDirectory(In("mine"));
        File.WriteAllText(In("mine/scene.png"), "mine");
        CliRun.Of("demo", "--out", In("mine")).FailsNaming("scene.png", "--force");
        Assert.That(Directory.GetFileSystemEntries(In("mine")), Has.Length.EqualTo(1));
        Assert.That(File.ReadAllText(In("mine/scene.png")), Is.EqualTo("mine"));
        CliRun.Of("demo", "--out", Folder).FailsNaming("model", "--force");
        CliRun.Of("demo", "--out", In("mine"), "--force").Succeeds();
        CliRun.Of("demo", "--out", In("mine")).Succeeds();
    }

    [Test]
    public void A_device_or_a_pipe_is_not_accepted_as_output()
    {
        Skip.If(!OperatingSystem.IsLinux(), "devices are recognised on Linux only");
        Run("mkfifo", In("pipe.npy"));
        CliRun.Of("export-onnx", "--model", Model, "--out", "/dev/null").FailsNaming("/dev/null", "a device or a pipe");
        CliRun.Of("run", "--model", Model, "--features", _features, "--out", In("pipe.npy"))
            .FailsNaming("pipe.npy", "a device or a pipe");
    }

    [Test]
    public void A_folder_created_for_a_failed_run_is_removed()
    {
        CliRun.Of(new CancellationToken(canceled: true), "init", "--config", In("config.json"), "--out",
            In("new/folders/for/it"));
        Assert.That(Directory.Exists(In("new")), Is.False);
        CliRun.Of(new CancellationToken(canceled: true), "ptx", "--arch", "sm_80", "--out", In("new/ptx"));
        Assert.That(Directory.Exists(In("new")), Is.False);
        CliRun.Of(new CancellationToken(canceled: true), "demo", "--out", In("new/demo"));
        Assert.That(Directory.Exists(In("new")), Is.False);
    }

    private static void Link(string target, string name)
    {
        if (!OperatingSystem.IsWindows())
            Run("ln", target, name);
    }

    private static void Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(program, arguments);
        process.WaitForExit();
        Assert.That(process.ExitCode, Is.Zero, program);
    }
}
