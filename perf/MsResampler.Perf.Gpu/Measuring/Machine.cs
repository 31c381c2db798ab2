using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace MsResampler.Perf.Measuring;

/// <summary>What the figures were measured on.</summary>
internal static partial class Machine
{
    private const string Unknown = "unknown";

    public static string Processor { get; } = File.Exists("/proc/cpuinfo")
        ? File.ReadLines("/proc/cpuinfo").FirstOrDefault(
            line => line.StartsWith("model name", StringComparison.Ordinal))
            ?.Split(':', 2)[1].Trim() ?? RuntimeInformation.ProcessArchitecture.ToString()
        : Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER")
            ?? RuntimeInformation.ProcessArchitecture.ToString();

    /// <summary>The commit the working tree is at, marked where it has changes.</summary>
    public static string Commit { get; } =
        $"{Git("rev-parse --short HEAD")}{(Git("status --porcelain") is "" or Unknown ? "" : " with changes")}";

    /// <summary>A folder name that tells machines apart.</summary>
    public static string FolderName(string variant)
        => PlainName($"{Processor} {Environment.ProcessorCount} cores {variant}");

    /// <summary>A name fit for a folder.</summary>
    public static string PlainName(string name) => NotPlain().Replace(name.ToLowerInvariant(), "-").Trim('-');

    /// <summary>The folder in which results of all machines are kept.</summary>
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

    /// <summary>The folder in which this machine's results are kept.</summary>
    public static string ResultsFolder(string variant) => Path.Combine(Results, FolderName(variant));

    /// <summary>One Markdown line per fact.</summary>
    /// <param name="variant">The instruction set.</param>
    /// <param name="command">The command line that reproduces the figures.</param>
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
