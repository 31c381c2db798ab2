using System.Diagnostics;
using MsResampler.Cli;

namespace MsResampler.Tests.Cli;

/// <summary>INT, TERM, HUP and QUIT end every command at any point and leave no files.</summary>
internal sealed class SignalTests : CliFixture
{
    // The documentation promises one second; the rest allows for a machine that runs other tests. A command that
    // ignores signals runs for minutes or waits forever.
    private const double MaxSeconds = 1 + 4;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    private static readonly (string Name, int Number)[] s_signals = [("INT", 2), ("TERM", 15), ("HUP", 1), ("QUIT", 3)];

    // Each command while it computes, or while it reads an input that never arrives. {0} is an empty folder for
    // output, {1} a model, {2} a named pipe, {3} features of many images.
    private static readonly TestCaseData<string, bool>[] s_commands =
    [
        new("bench --model {1} --grid 24x24 --seconds 600 --json {0}/b.json", false) { TestName = "bench" },
        new("run --model {1} --features {3} --out {0}/o.npy --backend reference", false) { TestName = "reference" },
        new("run --model {1} --features {3} --out {0}/o.npy --maps {0}/new/maps", false) { TestName = "maps" },
        new("run --model {1} --features {2}.npy --out {0}/o.npy", true) { TestName = "features" },
        new("init --config {2} --out {0}/new/model", true) { TestName = "init" },
        new("ptx --arch sm_80 --out {0}/ptx --config {2}", true) { TestName = "ptx, loading" },
        new("inspect {2}-model", true) { TestName = "inspect, loading" },
        new("verify --model {2}-model", true) { TestName = "verify, loading" },
        new("export-onnx --model {2}-model --out {0}/o.onnx", true) { TestName = "export-onnx, loading" },
    ];

    private string _features = "";
    private int _folderCount;

    [OneTimeSetUp]
    public void Prepare()
    {
        Skip.If(!OperatingSystem.IsLinux(), "The signals are those of Linux.");
        _features = WriteFeatures("many.safetensors",
            ("features", [3000, 24, 24, ChannelCount], new float[3000 * 576 * ChannelCount]));
        Directory.CreateDirectory(In("pipe-model"));
        foreach (string name in (string[])["pipe", "pipe.npy", "pipe-model/config.json"])
        {
            using Process process = Process.Start("mkfifo", In(name));
            process.WaitForExit();
        }
    }

    [TestCaseSource(nameof(s_commands))]
    public void A_command_ends_with_the_signal_code_and_leaves_no_files(string command, bool isReadingAPipe)
    {
        foreach ((string name, int number) in s_signals)
            Check(command, isReadingAPipe, number, name);
    }

    [Test]
    public void A_second_signal_ends_the_command_too([Values("INT", "TERM")] string second)
        => Check("run --model {1} --features {3} --out {0}/o.npy --backend reference", false, null, "INT", second);

    [Test]
    public void A_signal_ignored_from_the_start_stays_ignored()
    {
        string folder = NewFolder();
        using Process process = Start("trap '' HUP", "bench --model {1} --grid 2x2 --seconds 2 --json {0}/b.json",
            folder);
        WaitUntilAtWork(process, folder);
        Signal(process, "HUP");
        Assert.That(process.WaitForExit(s_patience));
        Assert.That(process.ExitCode, Is.Zero);
        Assert.That(File.Exists(Path.Combine(folder, "b.json")));
    }

    private void Check(string command, bool isReadingAPipe, int? number, params string[] signals)
        => Measured.AssertBelow(MaxSeconds, "s", () => SecondsToEnd(command, isReadingAPipe, number, signals));

    private double SecondsToEnd(string command, bool isReadingAPipe, int? number, string[] signals)
    {
        string folder = NewFolder();
        using Process process = Start("", command, folder);
        Task<string> error = process.StandardError.ReadToEndAsync();
        try
        {
            // Opening a pipe for writing blocks until the command opens it for reading.
            using FileStream? pipe = isReadingAPipe ? OpenPipe(process, command) : null;
            if (!isReadingAPipe)
                WaitUntilAtWork(process, folder);
            Skip.If(IsIgnored(process, signals[0]),
                "this process was started with signals ignored, as in the background");
            long start = Stopwatch.GetTimestamp();
            foreach (string signal in signals)
                Signal(process, signal);
            bool hasEnded = process.WaitForExit(s_patience);
            TimeSpan taken = Stopwatch.GetElapsedTime(start);
            Assert.That(hasEnded, $"{command}: still running {taken} after {signals[0]}");
            using (Assert.EnterMultipleScope())
            {
                if (number is { } expected)
                    Assert.That(process.ExitCode, Is.EqualTo(128 + expected), signals[0]);
                else
                    Assert.That(process.ExitCode, Is.EqualTo(128 + 2).Or.EqualTo(128 + 15));
                Assert.That(error.Result, number is null ? Does.Match("^(error: interrupted.*\n)?$")
                    : Is.EqualTo("error: interrupted; no incomplete files remain\n"));
                Assert.That(Directory.GetFileSystemEntries(folder), Is.Empty, signals[0]);
            }

            return taken.TotalSeconds;
        }
        finally
        {
            process.Kill();
        }
    }

    private string NewFolder() => Directory.CreateDirectory(In($"out{_folderCount++}")).FullName;

    private Process Start(string before, string command, string folder)
    {
        string[] arguments = [.. command.Split(' ').Select(argument =>
            string.Format(null, argument, folder, Model, In("pipe"), _features))];
        // If the tests run in the background of a shell, the shell ignores INT and QUIT in its child processes.
        ProcessStartInfo start = new("sh",
        [
            "-c", $"{before}\nenv --default-signal=INT,QUIT true 2>/dev/null && " +
                "exec env --default-signal=INT,QUIT \"$0\" \"$@\"\nexec \"$0\" \"$@\"",
            "dotnet", typeof(CommandLine).Assembly.Location, .. arguments,
        ])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["MSRESAMPLER_CACHE"] = "none";
        return Process.Start(start)!;
    }

    /// <summary>Waits for a line of output or for a temporary file.</summary>
    private static void WaitUntilAtWork(Process process, string folder)
    {
        Task<string?> line = process.StandardOutput.ReadLineAsync();
        Assert.That(SpinWait.SpinUntil(() => process.HasExited || (line.IsCompleted && line.Result is not null)
            || (Directory.EnumerateFileSystemEntries(folder).Any() && !IsBench(process)), s_patience));
        Assert.That(process.HasExited, Is.False);
    }

    // bench starts its report before it reads the model.
    private static bool IsBench(Process process) => process.StartInfo.ArgumentList.Contains("bench");

    private FileStream OpenPipe(Process process, string command)
    {
        string path = In(command.Contains("{2}-model", StringComparison.Ordinal) ? "pipe-model/config.json"
            : command.Contains("{2}.npy", StringComparison.Ordinal) ? "pipe.npy" : "pipe");
        Task<FileStream> opened = Task.Run(() => new FileStream(
            path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite));
        Assert.That(SpinWait.SpinUntil(() => opened.IsCompleted || process.HasExited, s_patience));
        Assert.That(process.HasExited, Is.False, command);
        return opened.Result;
    }

    private static bool IsIgnored(Process process, string signal)
    {
        string mask = File.ReadLines($"/proc/{process.Id}/status")
            .First(line => line.StartsWith("SigIgn:", StringComparison.Ordinal))["SigIgn:".Length..].Trim();
        int number = s_signals.First(candidate => candidate.Name == signal).Number;
        return ((Convert.ToUInt64(mask, 16) >> (number - 1)) & 1) != 0;
    }

    private static void Signal(Process process, string signal)
    {
        using Process kill = Process.Start("sh", ["-c", $"kill -{signal} {process.Id}"]);
        kill.WaitForExit();
    }
}
