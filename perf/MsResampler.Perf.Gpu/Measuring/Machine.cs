using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace MsResampler.Perf.Measuring;

/// <summary>Describes the machine, the commit and the folder of the results.</summary>
internal static partial class Machine
{
    private const string Unknown = "unknown";

    public static string Processor { get; } = File.Exists("/proc/cpuinfo")
        ? File.ReadLines("/proc/cpuinfo").FirstOrDefault(
            line => line.StartsWith("model name", StringComparison.Ordinal))
            ?.Split(':', 2)[1].Trim() ?? RuntimeInformation.ProcessArchitecture.ToString()
        : Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER")
            ?? RuntimeInformation.ProcessArchitecture.ToString();

    /// <summary>The commit of the working tree, with a note if the tree has changes.</summary>
    public static string Commit { get; } =
        $"{Git("rev-parse --short HEAD")}{(Git("status --porcelain") is "" or Unknown ? "" : " with changes")}";

    /// <summary>Converts text to a folder name: lower-case letters, digits and hyphens.</summary>
    public static string PlainName(string name) => NotPlain().Replace(name.ToLowerInvariant(), "-").Trim('-');

    /// <summary>The folder with the results of all machines.</summary>
    public static string Results
    {
        get
        {
            DirectoryInfo? folder = new(Environment.CurrentDirectory);
            while (folder is not null && folder.GetFiles("*.sln").Length == 0)
                folder = folder.Parent;
            return Path.Combine(folder?.FullName ?? Environment.CurrentDirectory, "perf", "results");
        }
    }

    /// <summary>The folder with the results of this machine.</summary>
    public static string ResultsFolder(string variant)
        => Path.Combine(Results, PlainName($"{Processor} {Environment.ProcessorCount} cores {variant}"));

    /// <summary>A Markdown list of facts about the machine and the run.</summary>
    /// <param name="variant">The instruction set.</param>
    /// <param name="command">The arguments that reproduce the figures.</param>
    public static string Describe(string variant, string command) => $"""
        - machine: {Processor}, {Environment.ProcessorCount} cores, {variant}
        - system: {RuntimeInformation.OSDescription}, {RuntimeInformation.FrameworkDescription}
        - commit: {Commit}
        - command: `dotnet run -c Release --project perf/MsResampler.Perf -- {command}`

        """;

    private static string Git(string arguments)
    {
        try
        {
            using Process process = Process.Start(new ProcessStartInfo("git", arguments)
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
            string output = process.StandardOutput.ReadToEnd().Trim();
            process.WaitForExit();
            return process.ExitCode == 0 ? output : Unknown;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return Unknown;
        }
    }

    [GeneratedRegex("[^a-z0-9]+")]
    private static partial Regex NotPlain();
}
