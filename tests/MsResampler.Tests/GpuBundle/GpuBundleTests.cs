using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Json;
using MsResampler.Tests.House;

namespace MsResampler.Tests.GpuBundle;

/// <summary>The script of the GPU bundle: the order and the time of its steps, and how it continues a run that was cut
/// off. Most tests replace the programs; one runs them, on a mock of the driver with an emulated GPU.</summary>
internal sealed class GpuBundleTests : TemporaryFolderFixture
{
    /// <summary>A program that only writes rows. Files beside it make it slow, or fail.</summary>
    private const string Replacement = """
        #!/bin/sh
        echo "$1" >>"$(dirname "$0")/calls"
        while [ $# -gt 0 ]; do
            case $1 in --results) results=$2 ;; machine | probe | models) command=$1 ;; esac
            shift
        done
        case ${command:-} in
            machine)
                [ ! -f "$(dirname "$0")/no-device" ] || { echo "no device"; exit 2; }
                echo '{"step":"machine","row":"device","outcome":"passed","text":""}' >>"$results/results.jsonl" ;;
            probe)
                echo '{"step":"probe","row":"kernel","outcome":"passed","text":""}' >>"$results/results.jsonl"
                [ ! -f "$(dirname "$0")/slow" ] || exec sleep 100
                [ ! -f "$(dirname "$0")/broken" ] || { printf 'it is\t\377 broken\0\n'; exit 1; } ;;
            models) [ ! -f "$(dirname "$0")/slow-models" ] || exec sleep 100 ;;
        esac
        """;

    private static readonly string[] s_steps =
        ["machine", "probe", "promises", "parity", "times", "sanitizer", "ncu", "torch", "shapes"];

    /// <summary>The folder of .NET, which the built program does not find if only the PATH names it.</summary>
    private static readonly string s_dotnet =
        Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));

    private string Programs => Folder.File("programs");

    private string Results => Folder.File("results");

    [SetUp]
    public void WriteReplacement()
    {
        Skip.If(!OperatingSystem.IsLinux(), "The bundle is for Linux.");
        SkipWithout("timeout");
        SkipWithout("truncate");
        Directory.CreateDirectory(Programs);
        string program = Path.Combine(Programs, "msresampler-gpu");
        File.WriteAllText(program, Replacement.ReplaceLineEndings("\n"));
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(program, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    [Test]
    public void A_step_beyond_its_time_is_stopped_and_a_second_run_does_what_is_missing()
    {
        Mark("slow");
        (int exitCode, string output) = Run(Programs, "--minutes", "0.1", "--out", Results);
        Assert.That(exitCode, Is.Zero, output);
        Assert.That(Outcomes(), Is.EqualTo(s_steps.Select((step, index) =>
            (step, index switch { 0 => "passed", 1 => "stopped", _ => "not reached" }))), output);
        Assert.That(output, Does.Contain("| probe |  | stopped | ").And.Contain("| shapes |  | not reached | "));

        File.AppendAllText(Path.Combine(Results, "results.jsonl"), "{\"step\":\"pro");
        File.Delete(Path.Combine(Programs, "slow"));
        File.Delete(Path.Combine(Programs, "calls"));
        (exitCode, output) = Run(Programs, "--minutes", "1", "--resume", Results);
        Assert.That(exitCode, Is.Zero, output);
        Assert.That(Outcomes().Skip(s_steps.Length).Select(outcome => outcome.Step), Is.EqualTo(s_steps[1..]),
            "all but the finished step, in order");
        Assert.That(File.ReadAllLines(Path.Combine(Programs, "calls")).Where(call => call != "models"),
            Is.EqualTo(new[] { "probe", "test", "parity", "gpu", "gpu", "gpu", "gpu" }));
        Assert.That(Directory.GetFiles(Results), Has.Length.LessThanOrEqualTo(8));
    }

    [Test]
    public void Models_that_are_not_ready_do_not_take_more_than_the_time()
    {
        Mark("slow-models");
        Stopwatch time = Stopwatch.StartNew();
        (int exitCode, string output) = Run(Programs, "--minutes", "0.1", "--steps", "times", "--out", Results);
        Assert.That(time.Elapsed, Is.LessThan(TimeSpan.FromSeconds(60)), output);
        Assert.That(exitCode, Is.Zero, output);
        Assert.That(Outcomes(), Is.EqualTo(new[] { ("machine", "passed"), ("times", "stopped") }), output);
    }

    [Test]
    public void Two_runs_do_not_write_to_one_folder()
    {
        SkipWithout("flock");
        Mark("slow");
        using Process first = Start(Programs, "--minutes", "2", "--out", Results);
        while (Rows("probe").Length == 0 && !first.HasExited)
            Thread.Sleep(20);
        (int exitCode, string output) = Run(Programs, "--resume", Results);
        Assert.That(exitCode, Is.EqualTo(2), output);
        Assert.That(output, Does.Contain("another run"));
        first.Kill(entireProcessTree: true);
        first.WaitForExit();
    }

    [Test]
    public void A_failure_does_not_stop_the_steps_after_it()
    {
        Mark("broken");
        (int exitCode, string output) = Run(Programs, "--steps", "probe promises parity", "--out", Results);
        Assert.That(exitCode, Is.EqualTo(1), output);
        Assert.That(Outcomes(), Is.EqualTo(new[]
        {
            ("machine", "passed"), ("probe", "failed"), ("promises", "passed"), ("parity", "passed"),
        }), output);
        Assert.That(output, Does.Contain("it is ? broken"), "the last line of a failed command");
        Assert.That(File.ReadAllText(Path.Combine(Results, "logs.txt")), Does.Contain(" broken"));
    }

    [Test]
    public void Without_a_device_the_reason_is_given_and_nothing_else_runs()
    {
        Mark("no-device");
        (int exitCode, string output) = Run(Programs, "--out", Results);
        Assert.That(exitCode, Is.EqualTo(1), output);
        Assert.That(Outcomes(), Is.EqualTo(s_steps.Select((step, index) => (step, index == 0 ? "failed" : "skipped"))));
        Assert.That(output, Does.Contain("| machine |  | failed | ").And.Contain("no device"));
    }

    [Test]
    public void A_run_that_was_killed_continues_on_the_emulator()
    {
        string programs = BuiltProgramsOrSkip();
        using Process killed = Start(programs, "--emulate", "--steps", "parity", "--minutes", "3", "--out", Results);
        Stopwatch time = Stopwatch.StartNew();
        while (Rows("parity").Length < 2 && time.Elapsed < TimeSpan.FromMinutes(2))
            Thread.Sleep(50);
        killed.Kill(entireProcessTree: true);
        killed.WaitForExit();
        string[] rows = Rows("parity");
        Assert.That(rows, Has.Length.GreaterThan(1));

        (int exitCode, string output) = Run(programs, "--emulate", "--steps", "parity", "--minutes", "0.3", "--resume",
            Results);
        Assert.That(exitCode, Is.Zero, output);
        Assert.That(Rows("machine"), Has.Length.EqualTo(1));
        Assert.That(Rows("parity"), Is.Unique.And.Length.GreaterThan(rows.Length));
        Assert.That(Rows("parity").Take(rows.Length), Is.EqualTo(rows));
        Assert.That(output, Does.Not.Contain("failed").And.Contain("| parity |  | "));
    }

    private static void SkipWithout(string tool)
        => Skip.If(!Environment.GetEnvironmentVariable("PATH")!.Split(':')
            .Any(folder => File.Exists(Path.Combine(folder, tool))), $"The command {tool} was not found.");

    /// <summary>The folder of the built programs. Skips without the C compiler that the mock needs.</summary>
    private static string BuiltProgramsOrSkip()
    {
        string folder = TestContext.CurrentContext.TestDirectory;
        string build = Path.Combine(Path.GetFileName(Path.GetDirectoryName(folder))!, Path.GetFileName(folder));
        string programs = Path.Combine(Repository.RootOrSkip(), "tools", "MsResampler.GpuBundle", "bin", build);
        ProcessStartInfo start = new(Path.Combine(programs, "msresampler-gpu"), ["devices"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["MSRESAMPLER_MOCK_CUDA"] = "1";
        start.Environment["DOTNET_ROOT"] = s_dotnet;
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        string error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Skip.If(error.Contains("There is no C compiler", StringComparison.Ordinal), error.Split('\n')[0]);
        Assert.That(process.ExitCode, Is.Zero, error + output.Result);
        return programs;
    }

    private static Process Start(string programs, params string[] arguments)
    {
        ProcessStartInfo start = new("sh",
        [
            Path.Combine(Repository.RootOrSkip(), "tools", "run-on-gpu.sh"), "--programs", programs, .. arguments,
        ])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // No interpreter has PyTorch.
        start.Environment["PYTHON"] = "false";
        start.Environment["DOTNET_ROOT"] = s_dotnet;
        return Process.Start(start)!;
    }

    private static (int ExitCode, string Output) Run(string programs, params string[] arguments)
    {
        using Process process = Start(programs, arguments);
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + error.Result);
    }

    private void Mark(string name) => File.WriteAllText(Path.Combine(Programs, name), "");

    /// <summary>The outcomes of whole steps, in order.</summary>
    private (string Step, string Outcome)[] Outcomes() => [.. Lines().Where(line => line.Row.Length == 0)
        .Where(line => line.Step != "run").Select(line => (line.Step, line.Outcome))];

    /// <summary>The rows of a step.</summary>
    private string[] Rows(string step) =>
        [.. Lines().Where(line => line.Step == step && line.Row.Length > 0).Select(line => line.Row)];

    private IEnumerable<(string Step, string Row, string Outcome)> Lines()
    {
        string path = Path.Combine(Results, "results.jsonl");
        if (!File.Exists(path))
            yield break;
        foreach (string line in File.ReadAllLines(path))
        {
            using JsonDocument json = JsonDocument.Parse(line);
            yield return (Text("step"), Text("row"), Text("outcome"));

            string Text(string name) => json.RootElement.GetProperty(name).GetString()!;
        }
    }
}
