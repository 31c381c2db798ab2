namespace MsResampler.Tests.Cli;

/// <summary>Nonsensical arguments: the exit code is a documented one, an error is one line, and no error is an
/// unexpected one.</summary>
internal sealed class HostileArgumentsTests : CliFixture
{
    private static readonly string[] s_inputs =
    [
        "", "a\0b", "{0}/none", "{0}/none/none", "{0}", "{0}/config.json/x", "{0}/empty", "{0}/empty.npy",
        "{0}/empty.safetensors", "{0}/noise.npy", "{0}/noise.safetensors", "{0}/folder.npy", "{0}/folder.safetensors",
        "{0}/config.json", "{0}/model", "{0}/model/config.json", "{0}/model/model.safetensors", "{0}/picture.png",
        "/dev/null", "/proc/self/mem", "/proc/self/maps", "/dev/fd/77", "\ud800", "{0}/{1}", "{0}/{2}",
    ];

    private static readonly string[] s_outputs =
    [
        "", "a\0b", "/dev/null", "/dev/full", "/proc/none", "/proc/self/mem", "{0}/config.json/x", "{0}/folder.npy",
        "{0}/{1}", "{0}/{1}.npy", "{0}/{2}/x.npy", "{0}/none/x.npy", "{0}/\ud800.npy", "{0}/ ", "{0}/-.npy",
        "{0}/model", "{0}/loop.npy",
    ];

    private static readonly string[] s_numbers =
    [
        "", "0", "-1", "+1", " 1 ", "1_0", "1e9", "NaN", "1e308", "1e-320", "2147483647", "2147483648",
        "9223372036854775808", "18446744073709551616", "0x0", "65535", "3x", "٣",
    ];

    // {0} is replaced by the hostile argument.
    private static readonly string[] s_readers =
    [
        "init --config {0} --out {1}/made", "inspect {0}",
            "run --model {0} --features {1}/features.npy --out {1}/o.npy",
        "run --model {1}/model --features {0} --out {1}/o.npy",
        "run --model {1}/model --image {0} --patch 2 --size 4 --out {1}/o.npy", "verify --model {0}",
        "bench --model {0} --grid 2x2 --seconds 0.001", "export-onnx --model {0} --out {1}/o.onnx",
        "ptx --arch sm_80 --out {1}/ptx --config {0}",
    ];

    private static readonly string[] s_writers =
    [
        "init --config {1}/config.json --out {0}", "run --model {1}/model --features {1}/features.npy --out {0}",
        "run --model {1}/model --features {1}/features.npy --out {1}/o.npy --maps {0}",
        "export-onnx --model {1}/model --grid 2x2 --out {0}",
        "bench --model {1}/model --grid 2x2 --seconds 0.001 --json {0}",
    ];

    private static readonly string[] s_counters =
    [
        "run --model {1}/model --features {1}/features.npy --out {1}/o.npy --threads {0}",
        "run --model {1}/model --features {1}/features.npy --out {1}/o.npy --grid {0}",
        "run --model {1}/model --image {1}/picture.png --out {1}/o.npy --patch {0}",
        "run --model {1}/model --image {1}/picture.png --out {1}/o.npy --patch 2 --size {0}",
            "inspect {1}/model --grid {0}",
        "bench --model {1}/model --seconds 0.001 --grid {0}",
            "bench --model {1}/model --seconds 0.001 --grid 1x1 --batch {0}",
        "verify --model {1}/model --bound {0}", "export-onnx --model {1}/model --out {1}/o.onnx --grid {0}",
        "init --config {1}/config.json --out {1}/made --force --seed {0}",
        "init --config {1}/config.json --out {1}/made --force --dtype {0}", "ptx --out {1}/ptx --arch {0}",
        "ptx --out {1}/ptx --arch sm_{0}",
    ];

    [OneTimeSetUp]
    public void Prepare()
    {
        byte[] noise = new byte[300];
        new Random(1).NextBytes(noise);
        WriteNpy("features.npy", [2, 2, ChannelCount], Values(4 * ChannelCount, 1));
        WritePicture("picture.png", 4, 4, (x, y) => new SkiaSharp.SKColor((byte)x, (byte)y, 0));
        foreach (string name in (string[])["empty", "empty.npy", "empty.safetensors"])
            File.WriteAllBytes(In(name), []);
        foreach (string name in (string[])["noise.npy", "noise.safetensors"])
            File.WriteAllBytes(In(name), noise);
        Directory.CreateDirectory(In("folder.npy"));
        Directory.CreateDirectory(In("folder.safetensors"));
        File.CreateSymbolicLink(In("loop.npy"), "loop.npy");
    }

    [Test]
    public void Hostile_input_paths_cause_at_most_a_one_line_error([ValueSource(nameof(s_readers))] string command)
        => Check(command, s_inputs);

    [Test]
    public void Hostile_output_paths_cause_at_most_a_one_line_error([ValueSource(nameof(s_writers))] string command)
        => Check(command, s_outputs);

    [Test]
    public void Hostile_sizes_cause_at_most_a_one_line_error([ValueSource(nameof(s_counters))] string command)
        => Check(command, s_numbers);

    private void Check(string command, string[] arguments)
    {
        foreach (string argument in arguments)
        {
            string hostile = string.Format(null, argument, Folder, new string('x', 256), new string('y', 5000));
            CliRun run = CliRun.Of([.. command.Split(' ').Select(part => string.Format(null, part, hostile, Folder))]);
            string what = $"{command} with '{argument}': {run.Error}";
            Assert.That(run.ExitCode, Is.InRange(0, 2), what);
            Assert.That(run.Error, Does.Not.Contain("unexpected"), what);
            if (run.ExitCode == 2)
                Assert.That(run.Error, Does.Match("^error: [^\n]+\n$"), what);
        }

        Assert.That(TemporaryFiles(), Is.Empty);
    }
}
