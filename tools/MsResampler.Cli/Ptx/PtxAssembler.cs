using System.ComponentModel;
using System.Diagnostics;
using System.Text.RegularExpressions;

namespace MsResampler.Cli.Ptx;

/// <summary>NVIDIA's PTX assembler, which reports the resources of a kernel, and the other programs in its
/// folder.</summary>
internal sealed partial class PtxAssembler
{
    /// <summary>The environment variable with the path of the program or of its folder.</summary>
    public const string PathVariable = "MSRESAMPLER_PTXAS";

    private const string Program = "ptxas";

    private readonly string _folder;

    private PtxAssembler(string folder)
    {
        _folder = folder;
        try
        {
            Version = Version.Parse(Release().Match(Run(Program, "--version")).Groups["version"].Value);
        }
        catch (Exception exception) when (exception is InputException or FormatException or ArgumentException)
        {
            // A program that does not say its version comes last.
            Version = new Version(0, 0);
        }
    }

    /// <summary>The version of the CUDA toolkit that it belongs to.</summary>
    public Version Version { get; }

    /// <summary>The assemblers of this machine, one of each version, the newest first: that of the environment
    /// variable, or else those on the PATH and in the folders of tools/get-ptxas.sh.</summary>
    /// <param name="companions">Programs that must be in the same folder.</param>
    public static IReadOnlyList<PtxAssembler> FindAll(params string[] companions) =>
        [.. Candidates()
            .Where(folder => companions.Prepend(Program).All(program => File.Exists(PathOf(folder, program))))
            .Select(folder => new PtxAssembler(folder))
            .DistinctBy(assembler => assembler.Version)
            .OrderByDescending(assembler => assembler.Version)];

    /// <summary>Assembles a PTX file.</summary>
    /// <param name="file">The PTX file.</param>
    /// <param name="target">The target architecture, such as sm_80.</param>
    /// <param name="output">The file to write, or null.</param>
    /// <exception cref="InputException">The assembler cannot be started, or reports an error.</exception>
    public PtxasReport Assemble(string file, string target, string? output = null) => PtxasReport.Parse(Run(Program,
        "-v", "-O3", $"-arch={target}", "-o", output ?? (OperatingSystem.IsWindows() ? "NUL" : "/dev/null"), file));

    /// <summary>Whether the assembler supports a target architecture, such as sm_80.</summary>
    /// <exception cref="InputException">The assembler cannot be started.</exception>
    public bool Knows(string target) => Run(Program, "--help").Contains($"'{target}'", StringComparison.Ordinal);

    /// <summary>Runs one of the programs. Returns its output.</summary>
    /// <exception cref="InputException">The program cannot be started, or fails.</exception>
    public string Run(string program, params string[] arguments)
    {
        ProcessStartInfo start = new(PathOf(_folder, program), arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // The programs start each other.
        start.Environment["PATH"] = _folder + Path.PathSeparator + Environment.GetEnvironmentVariable("PATH");
        try
        {
            using Process process = Process.Start(start)!;
            Task<string> error = process.StandardError.ReadToEndAsync();
            string log = process.StandardOutput.ReadToEnd() + error.Result;
            process.WaitForExit();
            if (process.ExitCode == 0)
                return log;
            string firstLine = log.Split('\n').FirstOrDefault(line => !string.IsNullOrWhiteSpace(line)) ?? "no output";
            throw new InputException($"{start.FileName} {string.Join(' ', arguments)} failed: {firstLine.Trim()}");
        }
        catch (Win32Exception exception)
        {
            throw new InputException($"{start.FileName}: {exception.Message}", exception);
        }
    }

    private static string PathOf(string folder, string program)
        => Path.Combine(folder, OperatingSystem.IsWindows() ? $"{program}.exe" : program);

    private static IEnumerable<string> Candidates()
    {
        if (Environment.GetEnvironmentVariable(PathVariable) is { Length: > 0 } setting)
        {
            yield return Directory.Exists(setting) ? setting : Path.GetDirectoryName(setting) ?? "";
            yield break;
        }

        foreach (string folder in (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator,
            StringSplitOptions.RemoveEmptyEntries))
        {
            yield return folder;
        }

        string cache = Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } set ? set
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile,
                Environment.SpecialFolderOption.DoNotVerify), ".cache");
        string own = Path.Combine(cache, "msresampler", "cuda");
        yield return own;
        if (!Directory.Exists(own))
            yield break;
        foreach (string version in Directory.EnumerateDirectories(own))
            yield return version;
    }

    [GeneratedRegex(@"release (?<version>\d+\.\d+)")]
    private static partial Regex Release();
}
