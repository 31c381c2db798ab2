using System.Text.Json;
using System.Text.Json.Nodes;
using MsResampler.Safetensors;

namespace MsResampler.Tests.Cli;

/// <summary>A broken environment: closed or full streams, low limits. The exit code is a documented one, standard
/// error has at most one line, and no files are left.</summary>
internal sealed class SurroundingsTests : CliFixture
{
    private string _features = "";

    [OneTimeSetUp]
    public void WriteFeatures()
    {
        Skip.If(OperatingSystem.IsWindows(), "the shell is that of Unix");
        // 2.5 KB of tokens, which stay in the buffer until the end.
        _features = WriteFeatures("features.safetensors", ("features", [20, 1, 1, ChannelCount],
            Values(20 * ChannelCount, 1)));
    }

    [TestCase("2>&-")]
    [TestCase("2>/dev/full")]
    [TestCase("<&- 2>&-")]
    [TestCase("1>/dev/full 2>/dev/full")]
    public void An_error_with_standard_error_closed_is_exit_code_2(string redirections)
    {
        SkipWithoutFull(redirections);
        CliRun run = CliRun.OfShell("", redirections, "inspect", In("none"));
        Assert.That((run.ExitCode, run.Error), Is.EqualTo((2, "")));
    }

    [TestCase("2>&-")]
    [TestCase("<&- 2>&-")]
    [TestCase("<&-")]
    [TestCase("2>/dev/full")]
    public void A_command_runs_without_the_streams_that_it_does_not_need(string redirections)
    {
        SkipWithoutFull(redirections);
        string output = In("without.npy");
        CliRun run = CliRun.OfShell("", redirections, "run", "--model", Model, "--features", _features, "--out",
            output);
        using (Assert.EnterMultipleScope())
        {
            Assert.That((run.ExitCode, run.Error), Is.EqualTo((0, "")));
            Assert.That(run.Output, Does.Contain("20 images"));
            Assert.That(new FileInfo(output).Length, Is.EqualTo(128 + (20 * QueryCount * TokenSize * sizeof(float))));
        }
    }

    [TestCase("1>&-")]
    [TestCase("<&- 1>&-")] // where the runtime's own pipe has descriptor 1
    public void A_closed_standard_output_is_an_error_before_any_work(string redirections)
    {
        string output = In("closed.npy");
        CliRun.OfShell("", redirections, "run", "--model", Model, "--features", _features, "--out", output)
            .FailsNaming("standard output is closed");
        Assert.That(File.Exists(output), Is.False);
        CliRun run = CliRun.OfShell("", redirections + " 2>&-", "inspect", Model);
        Assert.That((run.ExitCode, run.Output, run.Error), Is.EqualTo((2, "", "")));
    }

    [TestCase("--help")]
    [TestCase("inspect")]
    public void A_full_standard_output_is_an_error(string command)
    {
        SkipWithoutFull("full");
        CliRun.OfShell("", "1>/dev/full", command == "inspect" ? [command, Model] : [command])
            .FailsNaming("standard output: ");
    }

    [Test]
    public void A_reader_that_closes_the_pipe_early_is_not_an_error()
    {
        CliRun run = CliRun.OfShell("", "| head -n 1; exit 0", "inspect", Model);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(run.Error, Is.Empty);
            Assert.That(run.Output.TrimEnd('\n'), Does.Not.Contain('\n'));
        }
    }

    [TestCase("")]
    [TestCase("trap '' XFSZ")]
    public void A_file_beyond_the_size_limit_is_one_line_and_keeps_the_old(string trap)
    {
        string folder = In($"limit{trap.Length}");
        string output = Path.Combine(folder, "old.npy");
        Directory.CreateDirectory(folder);
        File.WriteAllText(output, "old");
        // The unit of the limit is 512 or 1024 bytes, depending on the shell.
        string before = trap.Length == 0 ? "ulimit -f 2" : $"{trap}\nulimit -f 2";
        CliRun.OfShell(before, "", "run", "--model", Model, "--features", _features, "--out", output)
            .FailsNaming(output, "larger than");
        CliRun.OfShell(before, "", "export-onnx", "--model", Model, "--out", Path.Combine(folder, "o.onnx"))
            .FailsNaming("o.onnx", "larger than");
        CliRun.OfShell(before, "", "init", "--config", In("config.json"), "--out", Path.Combine(folder, "a/model"))
            .FailsNaming("model.safetensors", "larger than");
        CliRun.OfShell(before, "", "run", "--model", Model, "--features", _features, "--out",
            Path.Combine(folder, "new.npy"), "--maps", Path.Combine(folder, "maps")).FailsNaming("larger than");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(File.ReadAllText(output), Is.EqualTo("old"));
            Assert.That(Directory.GetFileSystemEntries(folder), Is.EqualTo(new[] { output }));
        }
    }

    [Test]
    public void Too_few_file_handles_are_one_line()
    {
        // From plenty to the minimum with which the runtime starts; with the smallest limits not even the error can
        // be printed.
        CliRun[] runs = [.. ((int[])[256, 64, 58, 54, 50, 46, 42, 38])
            .Select(count => CliRun.OfShell($"ulimit -n {count}", "", "inspect", Model))];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(runs.Select(run => run.ExitCode), Is.All.Zero.Or.EqualTo(2));
            Assert.That(runs[0].ExitCode, Is.Zero);
            Assert.That(runs.Select(run => run.Error), Is.All.Match("^(error: [^\n]*\n)?$"));
        }
    }

    [Test]
    public void Fewer_file_handles_than_shards_are_one_line()
    {
        const int ScopeCount = 20;
        JsonNode config = JsonNode.Parse(Config)!;
        config["scopes"] = new JsonArray([.. Enumerable.Range(0, ScopeCount)
            .Select(scope => (JsonNode)new JsonObject { ["name"] = $"{scope}", ["prior"] = "none" })]);
        string folder = In("shards");
        File.WriteAllText(In("scopes.json"), config.ToJsonString());
        CliRun.Of("init", "--config", In("scopes.json"), "--out", folder).Succeeds();
        int shardCount = Shard(folder);

        CliRun.OfShell($"ulimit -n {shardCount + 200}", "", "inspect", folder).Succeeds();
        CliRun.OfShell($"ulimit -n {shardCount}", "", "inspect", folder).FailsNaming(folder, "Too many open files");
    }

    [Test]
    public void Too_little_memory_is_one_line()
    {
        string folder = In("memory");
        Directory.CreateDirectory(folder);
        WriteNpy("memory/large.npy", [1200, 1200, ChannelCount], new float[1200 * 1200 * ChannelCount]);
        CliRun.OfProcess([("DOTNET_GCHeapHardLimit", "0x2000000")], "run", "--model", Model, "--features",
            In("memory/large.npy"), "--out", In("memory/out.npy")).FailsNaming("memory");
        Assert.That(Directory.GetFileSystemEntries(folder), Has.Length.EqualTo(1));
    }

    /// <summary>Replaces the weights of a model by an index and a shard for every tensor, which all stay open while the
    /// model is in use.</summary>
    private static int Shard(string folder)
    {
        string whole = Path.Combine(folder, "model.safetensors");
        Dictionary<string, string> files = [];
        using (SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(whole))
        {
            foreach (TensorInfo tensor in checkpoint.Tensors)
            {
                float[] values = new float[tensor.ElementCount];
                checkpoint.Read(tensor, 0, values);
                files.Add(tensor.Name, $"{tensor.Name}.safetensors");
                SafetensorsWriter.Write(Path.Combine(folder, files[tensor.Name]),
                    [new TensorToWrite(tensor.Name, tensor.Type, tensor.Shape, values)]);
            }
        }

        File.Delete(whole);
        File.WriteAllText($"{whole}.index.json", JsonSerializer.Serialize(new { weight_map = files }));
        return files.Count;
    }

    private static void SkipWithoutFull(string redirections)
        => Skip.If(redirections.Contains("full", StringComparison.Ordinal) && !File.Exists("/dev/full"),
            "there is no /dev/full");
}
