using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace MsResampler.Cli.Ptx;

/// <summary>NVIDIA's PTX assembler, which knows what a kernel needs on a real architecture.</summary>
internal sealed partial class Ptxas
{
    /// <summary>Names the program or its folder.</summary>
    public const string PathVariable = "MSRESAMPLER_PTXAS";

    private readonly string _path;

    private Ptxas(string path) => _path = path;

    /// <summary>Looks where the environment variable says, on the PATH, and where tools/get-ptxas.sh puts it.</summary>
    public static Ptxas? Find()
    {
        string name = OperatingSystem.IsWindows() ? "ptxas.exe" : "ptxas";
        string? path = Candidates().Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);
        return path is null ? null : new Ptxas(path);
    }

    /// <summary>Assembles a text for an architecture.</summary>
    /// <exception cref="InputException">The assembler cannot be started, or refuses the text or the
    /// architecture.</exception>
    public PtxasUsage Assemble(string file, int architecture)
    {
        ProcessStartInfo start = new(_path, ["-v", "-O3",
            string.Create(CultureInfo.InvariantCulture, $"-arch=sm_{architecture}"), "-o", NullDevice, file])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        string log;
        try
        {
            using Process process = Process.Start(start)!;
            Task<string> error = process.StandardError.ReadToEndAsync();
            log = process.StandardOutput.ReadToEnd() + error.Result;
            process.WaitForExit();
            if (process.ExitCode == 0)
                return PtxasUsage.Parse(log);
        }
        catch (Win32Exception exception)
        {
            throw new InputException($"{_path}: {exception.Message}", exception);
        }

        throw new InputException($"{_path} refuses {file} for sm_{architecture}: {FirstLine().Match(log).Value}");
    }

    private static string NullDevice => OperatingSystem.IsWindows() ? "NUL" : "/dev/null";

    private static IEnumerable<string> Candidates()
    {
        if (Environment.GetEnvironmentVariable(PathVariable) is { Length: > 0 } setting)
            yield return Directory.Exists(setting) ? setting : Path.GetDirectoryName(setting) ?? "";
        foreach (string folder in (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator))
            yield return folder;
        string cache = Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } set ? set
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
        yield return Path.Combine(cache, "msresampler", "cuda");
    }

    [GeneratedRegex(@"\S[^\r\n]*")]
    private static partial Regex FirstLine();
}
