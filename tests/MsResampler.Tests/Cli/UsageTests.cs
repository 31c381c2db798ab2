namespace MsResampler.Tests.Cli;

internal sealed class UsageTests : CliFixture
{
    private static readonly TestCaseData<string, string>[] s_badUsage =
    [
        new("", "expected a command"),
        new("frobnicate", "'frobnicate'"),
        new("--frobnicate", "'--frobnicate'"),
        new("run", "--model"),
        new("run --model", "--model"),
        new("run --model m --out o.npy --frobnicate", "'--frobnicate'"),
        new("run --model m --out o.npy stray", "'stray'"),
        new("run --model m --out o.npy", "found none"),
        new("run --model m --out o.npy --image", "--image"),
        new("run --model m --out o.npy --image i.png --features f.npy", "--features and --image "),
        new("run --model m --out o.npy --features f.npy --patch 3", "--patch"),
        new("run --model m --out o.npy --features f.npy --size 3", "--size"),
        new("run --model m --model n --out o.npy --image i.png", "--model"),
        new("run --model m --out o.txt --image i.png", "o.txt"),
        new("run --model m --out o.npy --image i.png --threads 0", "--threads"),
        new("run --model m --out o.npy --image i.png --threads two", "'two'"),
        new("run --model m --out o.npy --image i.png --patch -1", "--patch"),
        new("run --model m --out o.npy --image i.png --size 10x", "'10x'"),
        new("run --model m --out o.npy --image i.png --size 99999999999", "--size"),
        new("run --model m --out o.npy --image i.png --size 30 --patch 14",
            "--patch 14; the nearest multiple is 28"),
        new("run --model m --out o.npy --image i.png --backend gpu", "auto, cpu, cuda, reference"),
        new("verify --model m --backend reference", "auto, cpu, cuda"),
        new("verify --model m --precision half", "auto, float32, tf32, float16, bfloat16"),
        new("verify --model m --bound 0", "--bound"),
        new("verify --model m --bound nan", "--bound"),
        new("bench --model m", "--grid"),
        new("bench --model m --grid 24", "24x24"),
        new("bench --model m --grid 0x3", "'0x3'"),
        new("bench --model m --grid 3x4x5", "'3x4x5'"),
        new("bench --model m --grid 3x4 --batch 0", "--batch"),
        new("bench --model m --grid 3x4 --seconds -1", "--seconds"),
        new("export-onnx --model m", "--out"),
        new("export-onnx --model m --out o.onnx --grid 24", "24x24"),
        new("init --out d", "--config"),
        new("init --config c --out d --seed -1", "--seed"),
        new("init --config c --out d --dtype int8", "f32, f16 or bf16"),
        new("convert --model m --out d --dtype i8", "f32, f16, bf16 or int8"),
        new("convert --model m --out d --int8-layers all", "--int8-layers can only be used with --dtype int8"),
        new("convert --model m --out d --dtype f16 --int8-layers all", "--dtype int8"),
        new("convert --model m --out d --dtype int8 --int8-layers q_proj", "kv_proj, k_proj, v_proj, out_proj, gate"),
        new("convert --model m --out d --dtype int8 --int8-layers k_proj,", "'k_proj,'"),
        new("convert --model m --out d --dtype int8 --scopes s.json", "--scopes"),
        new("verify --model m --int8-layers all --precision float32",
            "--int8-layers can only be used with --precision int8, found float32"),
        new("verify --model m --int8-layers all --backend cuda",
            "--int8-layers can only be used with --backend cpu, found --backend cuda"),
        new("bench --model m --grid 3x4 --precision int8 --device 0",
            "--precision int8 can only be used with --backend cpu, found --device 0"),
        new("verify --model m --precision float32 --int8-layers gate", "found float32"),
        new("run --model m --out o.npy --image i.png --int8-layers none --precision float32", "--precision int8"),
        new("bench --model m --grid 3x4 --int8-layers none --precision tf32", "--precision int8"),
        new("bench --model m --grid 3x4 --precision int8 --int8-layers all,gate", "'all,gate'"),
        new("verify --model m --weight-storage bf16", "float32 or as-stored"),
        new("verify --model m --weight-storage as-stored --precision int8", "found --precision int8"),
        new("verify --model m --weight-storage as-stored --backend cuda", "found --backend cuda"),
        new("run --model m --out o.npy --image i.png --weight-storage as-stored --backend reference",
            "found --backend reference"),
        new("bench --model m --grid 3x4 --weight-storage as-stored --device 0", "found --device 0"),
        new("inspect", "PATH"),
        new("inspect a b", "'b'"),
        new("@response-file", "'@response-file'"),
    ];

    private static readonly TestCaseData<string, string>[] s_badInput =
    [
        new("run --model /none --out {0}/o.npy --image {0}/none.png", "none.png"),
        new("run --model /none --out {0}/o.npy --features {0}/none.npy", "none.npy"),
        new("run --model {0}/model --out {0}/o.npy --features {0}/config.json", "--image"),
        new("run --model {0}/model --out {0}/o.npy --image {0}/config.json", "expected a PNG, JPEG or WebP"),
        new("inspect {0}/none", "none: there is no such"),
        new("inspect {0}/config.json", "config.json"),
        new("verify --model {0}/none", "none: this model folder does not exist"),
        new("verify --model {0}", "safetensors"),
        new("verify --model {0}/model --backend cpu --precision float16",
            "--precision float16: Precision Float16: the CPU"),
        new("bench --model {0}/none --grid 2x2", "none"),
        new("bench --model {0}/model --grid 2x2 --json {0}/none/b.json", "none"),
        new("export-onnx --model {0}/none --out {0}/o.onnx", "none: this model folder does not exist"),
        new("export-onnx --model {0}/model --out {0}/none/o.onnx", "none"),
        new("init --config {0}/none.json --out {0}/new", "none.json"),
        new("init --config {0}/config.json --out {0}/config.json", "is a file"),
        new("init --config {0}/config.json --out {0}/model", "--force"),
        new("demo --out {0}/config.json", "is a file"),
    ];

    [TestCaseSource(nameof(s_badUsage))]
    public void Bad_usage_is_one_line_that_names_the_cause(string arguments, string cause)
        => CliRun.Of(arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries)).FailsNaming(cause);

    [TestCaseSource(nameof(s_badInput))]
    public void Bad_input_is_one_line_that_names_the_file(string arguments, string cause)
        => CliRun.Of([.. arguments.Split(' ').Select(argument =>
                argument.Replace("{0}", Folder, StringComparison.Ordinal))])
            .FailsNaming(cause);

    [Test]
    public void Verbose_adds_the_stack_trace()
    {
        CliRun run = CliRun.Of("inspect", In("none"), "--verbose");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(run.ExitCode, Is.EqualTo(2));
            Assert.That(run.Error, Does.StartWith("error: ").And.Contain("   at "));
        }
    }

    [Test]
    public void Control_characters_in_names_do_not_reach_the_terminal()
    {
        CliRun run = CliRun.Of("inspect", "a\u001b[31m\nb");
        run.FailsNaming("a [31m b");
        Assert.That(run.Error, Does.Not.Contain('\u001b'));
    }

    [Test]
    public void Version_is_one_line()
        => Assert.That(CliRun.Of("--version").Succeeds().Output,
            Does.Match(@"^msresampler \d+\.\d+\.\d+\n$"));

    [Test]
    public void Every_command_has_help_with_an_example(
        [Values("init", "inspect", "run", "verify", "bench", "export-onnx", "devices", "ptx",
            "demo")] string command)
    {
        Assert.That(CliRun.Of("--help").Succeeds().Output, Does.Contain($"  {command} "));
        Assert.That(CliRun.Of(command, "--help").Succeeds().Output,
            Does.Contain("Examples:\n").And.Contain($"  msresampler {command}"));
    }
}
