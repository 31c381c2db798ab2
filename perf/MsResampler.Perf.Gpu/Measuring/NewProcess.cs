using System.Diagnostics;
using System.Text.Json;

namespace MsResampler.Perf.Measuring;

/// <summary>Runs a hidden command of this program in a new process.</summary>
internal static class NewProcess
{
    /// <summary>Runs a command and waits for its end.</summary>
    /// <param name="arguments">The command and its arguments.</param>
    /// <param name="environment">Additional environment variables.</param>
    /// <returns>The value that the command prints as JSON, and the time of the process.</returns>
    /// <exception cref="InvalidOperationException">The process failed; the message contains its error.</exception>
    public static (T Result, TimeSpan Time) Run<T>(string[] arguments, params (string Name, string Value)[] environment)
    {
        // The process of "dotnet program.dll" is dotnet, and the program is its first argument.
        string host = Environment.ProcessPath!;
        string[] program = Path.GetFileNameWithoutExtension(host) == "dotnet"
            ? [Environment.GetCommandLineArgs()[0]] : [];
        ProcessStartInfo info = new(host, [.. program, .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach ((string name, string value) in environment)
            info.Environment[name] = value;
        long start = Stopwatch.GetTimestamp();
        using Process process = Process.Start(info)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        TimeSpan time = Stopwatch.GetElapsedTime(start);
        return process.ExitCode == 0 ? (JsonSerializer.Deserialize<T>(output)!, time)
            : throw new InvalidOperationException($"{string.Join(' ', arguments)}: expected exit code 0, found " +
                $"{process.ExitCode}: {error.Result.Trim()}");
    }
}
