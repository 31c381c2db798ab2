using System.Diagnostics;
using System.Text.RegularExpressions;
using MsResampler.Cli;

namespace MsResampler.Tests.House;

/// <summary>The texts of the repository: their commands run as written, their examples compile, their links lead to
/// files.</summary>
[Parallelizable(ParallelScope.Self)]
public sealed partial class ReadmeTests
{
    private const string CommandFromClone = "dotnet run -c Release --project tools/MsResampler.Cli --";
    private const int MissingDevice = 2;

    /// <summary>Commands that are not run here.</summary>
    private static readonly (string Start, string Reason)[] s_exceptions =
    [
        ("dotnet test", "it is what runs this test"),
        ("dotnet build", "this test may not write what another build is writing"),
        ("dotnet format", "it may change files of the checkout"),
        ("dotnet pack", "this test may not write what another build is writing"),
        ("dotnet publish", "this test may not write what another build is writing"),
        ("artifacts/msresampler/msresampler ", "it is what dotnet publish writes"),
        ("dotnet tool install", "it changes the user's account"),
        ("dotnet nuget add source", "it changes the user's settings"),
        ("dotnet add", "it needs a project of the user"),
        ("bash .ci/run", "it runs this test"),
        ("dotnet run -c Release --project perf/MsResampler.Perf -- ", "it takes minutes on an idle machine"),
        ("tools/get-fashion-mnist.sh", "it downloads data"),
        ("dotnet run -c Release --project perf/MsResampler.Claim", "it takes minutes, and needs downloaded data"),
        ("python3 perf/peers/torch_peer.py", "it needs PyTorch"),
        ("python3 perf/peers/limit_onnxruntime.py", "it changes a program that the test does not copy"),
        ("cp -r perf/MsResampler.Perf/bin/", "another build may be writing the folder"),
        ("MSRESAMPLER_CPU=avx2 dotnet ", "it takes minutes on an idle machine"),
        ("tools/pack-gpu-bundle.sh", "it takes minutes"),
        ("sh msresampler-gpu-bundle.sh ", "it needs a GPU"),
        ("msresampler inspect MiniCPM-V-2_6", "it needs a published model"),
        ("msresampler run --model MiniCPM-V-2_6 ", "it needs a published model"),
        ("msresampler run --model resampler --encoder ", "it needs a vision encoder"),
        ("optimum-cli ", "it needs a published model, and Python packages"),
        ("msresampler convert --model MiniCPM-V-2_6 ", "it needs a published model"),
        ("msresampler train --model student --features ", "it needs features of many images"),
        ("msresampler train --model multi --features ", "it needs features of many images"),
        ("msresampler-server ", "ServerReadmeTests runs it, because it does not end"),
        ("curl ", "ServerReadmeTests runs it, because it needs the server"),
        ("npx autocannon", "it needs a server, and a package of npm"),
        ("h2load ", "it needs a server"),
    ];

    /// <summary>The texts with commands, examples and links; paths from the top of the checkout.</summary>
    private static readonly string[] s_texts =
    [
        "README.md", "CONTRIBUTING.md", "src/MsResampler/README.md", "src/MsResampler.Onnx/README.md",
        "src/MsResampler.Reference/README.md", "src/MsResampler.Training/README.md", "src/MsResampler.Vision/README.md",
        "kernels/README.md", "tools/MsResampler.Cli/README.md", "tools/MsResampler.Server/README.md",
        "tests/PtxEmulator/README.md", "perf/README.md",
    ];

    [Test]
    public void Commands_run_as_written_in_order()
    {
        string[] texts = [.. s_texts.Select(Read)];
        Skip.If(OperatingSystem.IsWindows(), "The commands are written for a Unix shell.");
        int count = 0;
        foreach (string text in texts)
        {
            using TemporaryFolder folder = new();
            foreach (Match file in ShownFile().Matches(text.ReplaceLineEndings("\n")))
                File.WriteAllText(folder.File(file.Groups["name"].Value), file.Groups["content"].Value);
            foreach (string line in Commands(text))
            {
                if (s_exceptions.Any(exception => line.StartsWith(exception.Start, StringComparison.Ordinal)))
                    continue;
                string command = line.Replace(CommandFromClone, "msresampler", StringComparison.Ordinal);
                Assert.That(command, Does.StartWith("msresampler "), "say in this test how to run it, or why not");
                (int exitCode, string error) = Run(command, folder.Path);
                // Without a device the only accepted failure is the one that reports its absence.
                bool isMissing = exitCode == MissingDevice
                    && command.Contains("--backend cuda", StringComparison.Ordinal)
                    && error.StartsWith("error: --backend cuda: ", StringComparison.Ordinal);
                Assert.That(exitCode, Is.Zero.Or.EqualTo(isMissing ? MissingDevice : 0), $"{line}\n{error}");
                count++;
            }
        }

        Assert.That(count, Is.GreaterThan(8));
    }

    [TestCaseSource(nameof(s_texts))]
    public void Every_block_with_a_command_is_marked_as_one(string text)
    {
        string[] unmarked = [.. Blocks(Read(text)).Where(block => block.Language != "sh")
            .SelectMany(block => block.Lines).Where(line => CommandLike().IsMatch(line))];
        Assert.That(unmarked, Is.Empty, "commands stand in blocks that start with ```sh, so that they are tried");
    }

    [Test]
    public void The_exceptions_are_needed()
    {
        string[] commands = [.. s_texts.Select(Read).SelectMany(Commands)];
        foreach ((string start, string reason) in s_exceptions)
            Assert.That(commands, Has.Some.StartsWith(start), $"no command is excepted because {reason}");
    }

    [Test]
    public void The_configuration_shown_can_be_read_without_a_warning()
    {
        const string Text = "src/MsResampler/README.md";
        string json = string.Join('\n', Blocks(Read(Text)).Single(block => block.Language == "json").Lines);
        List<string> warnings = [];
        ConfigReader.Read(System.Text.Encoding.UTF8.GetBytes(json), Text, warnings);
        Assert.That(warnings, Is.Empty);
    }

    /// <summary>The compiler sees the examples in <see cref="ReadmeExamples"/>; here they are compared line by
    /// line.</summary>
    [Test]
    public void Examples_are_those_that_the_compiler_has_checked()
    {
        string[] compiled = Code(File.ReadAllLines(Path.Combine(Repository.RootOrSkip(), "tests", "MsResampler.Tests",
            "House", "ReadmeExamples.cs")));
        int count = 0;
        // The emulator's assembly is not referenced here.
        foreach (string text in s_texts.Where(text => !text.Contains("PtxEmulator", StringComparison.Ordinal)))
        {
            foreach ((_, string[] lines) in Blocks(Read(text)).Where(block => block.Language == "csharp"))
            {
                string[] example = Code(lines);
                Assert.That(Enumerable.Range(0, compiled.Length).Any(first
                    => compiled.AsSpan(first).StartsWith(example)), Is.True,
                    $"{text}: expected this example in ReadmeExamples.cs:\n{string.Join('\n', lines)}");
                count++;
            }
        }

        Assert.That(count, Is.GreaterThan(4));
    }

    [TestCaseSource(nameof(s_texts))]
    public void Links_of_files_lead_to_files(string text)
    {
        string folder = Path.GetDirectoryName(Path.Combine(Repository.RootOrSkip(), text))!;
        string[] targets = [.. Link().Matches(Read(text)).Select(match => match.Groups["target"].Value)
            .Where(target => !target.Contains("://", StringComparison.Ordinal))];
        Assert.That(targets, Is.Not.Empty);
        Assert.That(targets.Where(target => !Path.Exists(Path.Combine(folder, target.Split('#')[0]))), Is.Empty);
    }

    [TestCaseSource(nameof(s_texts))]
    public void Paths_of_the_repository_exist(string text)
    {
        string root = Repository.RootOrSkip();
        Assert.That(RepositoryPath().Matches(Read(text)).Select(match => match.Groups["path"].Value)
            .Where(path => !Path.Exists(Path.Combine(root, path))), Is.Empty);
    }

    private static string Read(string text) => File.ReadAllText(Path.Combine(Repository.RootOrSkip(), text));

    /// <summary>Lines of code without indentation, blank lines and imports.</summary>
    private static string[] Code(string[] lines) => [.. lines.Select(line => line.Trim())
        .Where(line => line.Length > 0 && !line.StartsWith("using MsResampler", StringComparison.Ordinal))];

    private static IEnumerable<string> Commands(string readme)
        => Blocks(readme).Where(block => block.Language == "sh").SelectMany(block => block.Lines)
            .Where(line => line.Length > 0);

    private static IEnumerable<(string Language, string[] Lines)> Blocks(string text)
        => Block().Matches(text.ReplaceLineEndings("\n")).Select(match =>
            (match.Groups["language"].Value, match.Groups["lines"].Value.Split('\n')));

    /// <summary>Runs a line in a shell that knows the command as it was built.</summary>
    private static (int ExitCode, string Error) Run(string line, string folder)
    {
        string script = $"msresampler() {{ dotnet \"$MSRESAMPLER_DLL\" \"$@\"; }}\n{line}";
        ProcessStartInfo start = new("/bin/sh", ["-c", script])
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["MSRESAMPLER_DLL"] = typeof(CommandLine).Assembly.Location;
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        string error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        output.Wait();
        return (process.ExitCode, error);
    }

    [GeneratedRegex(@"^```(?<language>\w*)\n(?<lines>.*?)\n```$", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Block();

    /// <summary>The content of a file that commands use, after its name.</summary>
    [GeneratedRegex(@"Save this as `(?<name>[\w.]+)`:\n\n```json\n(?<content>.*?)\n```$",
        RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex ShownFile();

    [GeneratedRegex(@"^\s*(\$ |msresampler |dotnet |sh |bash |python3? |pip |git |cd |export |(\./)?tools/\S+\.sh\b)")]
    private static partial Regex CommandLike();

    [GeneratedRegex(@"\]\((?<target>[^)]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"`(?<path>(src|kernels|tests|perf|tools)/[\w./-]*)`")]
    private static partial Regex RepositoryPath();
}
