using System.Diagnostics;
using System.Text.RegularExpressions;
using MsResampler.Cli;

namespace MsResampler.Tests.House;

/// <summary>What the README tells people to type works as written, in order.</summary>
public sealed partial class ReadmeTests
{
    private const string CommandFromClone = "dotnet run -c Release --project tools/MsResampler.Cli --";
    private const int MissingDevice = 2;

    /// <summary>Commands that are not run here.</summary>
    private static readonly (string Start, string Reason)[] s_exceptions =
    [
        ("dotnet test", "it is what runs this test"),
        ("dotnet run -c Release --project perf/MsResampler.Perf -- ", "it takes minutes on an idle machine"),
        ("tools/pack-gpu-bundle.sh", "it takes minutes"),
        ("sh msresampler-gpu-bundle.sh ", "it needs a GPU"),
    ];

    [Test]
    public void Commands_run_as_written_in_order()
    {
        string readme = Readme();
        Skip.If(OperatingSystem.IsWindows(), "The README's commands are written for a Unix shell.");
        using TemporaryFolder folder = new();
        int count = 0;
        foreach (string line in Commands(readme))
        {
            if (s_exceptions.Any(exception => line.StartsWith(exception.Start, StringComparison.Ordinal)))
                continue;
            string command = line.Replace(CommandFromClone, "msresampler", StringComparison.Ordinal);
            Assert.That(command, Does.StartWith("msresampler "), "say in this test how to run it, or why not");
            (int exitCode, string error) = Run(command, folder.Path);
            // A machine without a device has to say so, and nothing else.
            bool isMissing = exitCode == MissingDevice && command.Contains("--backend cuda", StringComparison.Ordinal)
                && error.StartsWith("error: --backend cuda: ", StringComparison.Ordinal);
            Assert.That(exitCode, Is.Zero.Or.EqualTo(isMissing ? MissingDevice : 0), $"{line}\n{error}");
            count++;
        }

        Assert.That(count, Is.GreaterThan(8));
    }

    [Test]
    public void Every_block_with_a_command_is_marked_as_one()
    {
        string[] unmarked = [.. Blocks(Readme()).Where(block => block.Language != "sh")
            .SelectMany(block => block.Lines).Where(line => CommandLike().IsMatch(line))];
        Assert.That(unmarked, Is.Empty, "commands stand in blocks that start with ```sh, so that they are tried");
    }

    [Test]
    public void The_exceptions_are_needed()
    {
        string[] commands = [.. Commands(Readme())];
        foreach ((string start, string reason) in s_exceptions)
            Assert.That(commands, Has.Some.StartsWith(start), $"no command is excepted because {reason}");
    }

    [Test]
    public void The_configuration_shown_can_be_read_without_a_warning()
    {
        string json = string.Join('\n', Blocks(Readme()).Single(block => block.Language == "json").Lines);
        List<string> warnings = [];
        ConfigReader.Read(System.Text.Encoding.UTF8.GetBytes(json), "README.md", warnings);
        Assert.That(warnings, Is.Empty);
    }

    [Test]
    public void Links_of_files_lead_to_files()
    {
        string root = Repository.RootOrSkip();
        string[] targets = [.. Link().Matches(Readme()).Select(match => match.Groups["target"].Value)
            .Where(target => !target.Contains("://", StringComparison.Ordinal))];
        Assert.That(targets, Is.Not.Empty);
        Assert.That(targets.Where(target => !Path.Exists(Path.Combine(root, target.Split('#')[0]))), Is.Empty);
    }

    private static string Readme() => File.ReadAllText(Path.Combine(Repository.RootOrSkip(), "README.md"));

    private static IEnumerable<string> Commands(string readme)
        => Blocks(readme).Where(block => block.Language == "sh").SelectMany(block => block.Lines)
            .Where(line => line.Length > 0);

    private static IEnumerable<(string Language, string[] Lines)> Blocks(string text)
        => Block().Matches(text.ReplaceLineEndings("\n")).Select(match =>
            (match.Groups["language"].Value, match.Groups["lines"].Value.Split('\n')));

    /// <summary>Runs a line in a shell that knows the command as it was built.</summary>
    private static (int ExitCode, string Error) Run(string line, string folder)
    {
        ProcessStartInfo start = new("/bin/sh", ["-c", $"msresampler() {{ dotnet \"$MSRESAMPLER_DLL\" \"$@\"; }}\n{line}"])
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

    [GeneratedRegex(@"^\s*(\$ |msresampler |dotnet |sh |bash |python3? |pip |git |cd |export |(\./)?tools/)")]
    private static partial Regex CommandLike();

    [GeneratedRegex(@"\]\((?<target>[^)]+)\)")]
    private static partial Regex Link();
}
