using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;

namespace MsResampler.Cli.Ptx;

/// <summary>NVIDIA's PTX assembler, which reports the resources of a kernel, and the other programs in its
/// folder.</summary>
internal sealed class PtxAssembler
{
    /// <summary>The environment variable with the path of the program or of its folder.</summary>
    public const string PathVariable = "MSRESAMPLER_PTXAS";

    private const string Program = "ptxas";

    private readonly string _folder;

    private PtxAssembler(string folder) => _folder = folder;

    /// <summary>Searches in the environment variable, on the PATH and in the folder of tools/get-ptxas.sh.</summary>
    /// <param name="companions">Programs that must be in the same folder.</param>
    public static PtxAssembler? Find(params string[] companions)
    {
        string? folder = Candidates().FirstOrDefault(folder =>
            companions.Prepend(Program).All(program => File.Exists(PathOf(folder, program))));
        return folder is null ? null : new PtxAssembler(folder);
    }

    /// <summary>Assembles a PTX file.</summary>
    /// <param name="file">The PTX file.</param>
    /// <param name="architecture">The target architecture, such as 80 for sm_80.</param>
    /// <param name="output">The file to write, or null.</param>
    /// <exception cref="InputException">The assembler cannot be started, or reports an error.</exception>
    public PtxasReport Assemble(string file, int architecture, string? output = null) => PtxasReport.Parse(Run(Program,
        "-v", "-O3", string.Create(CultureInfo.InvariantCulture, $"-arch=sm_{architecture}"), "-o",
        output ?? (OperatingSystem.IsWindows() ? "NUL" : "/dev/null"), file));

    /// <summary>Whether the assembler supports an architecture.</summary>
    /// <exception cref="InputException">The assembler cannot be started.</exception>
    public bool Knows(int architecture)
        => Run(Program, "--help").Contains(string.Create(CultureInfo.InvariantCulture, $"'sm_{architecture}'"),
            StringComparison.Ordinal);

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
            yield return Directory.Exists(setting) ? setting : Path.GetDirectoryName(setting) ?? "";
        foreach (string folder in (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator,
            StringSplitOptions.RemoveEmptyEntries))
        {
            yield return folder;
        }

        string cache = Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } set ? set
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile,
                Environment.SpecialFolderOption.DoNotVerify), ".cache");
        yield return Path.Combine(cache, "msresampler", "cuda");
    }
}
