using System.ComponentModel;
using System.Diagnostics;

namespace MsResampler.Server.Tests.Clients;

/// <summary>Runs a program of this machine, with a time limit.</summary>
internal static class OutsideProgram
{
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(2);

    /// <summary>Runs a program; null if the machine does not have it.</summary>
    /// <param name="folder">The working folder.</param>
    /// <param name="program">The name of the program.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <returns>The exit code, −1 if it had to be ended, and everything that it printed.</returns>
    public static async Task<(int ExitCode, string Output)?> RunAsync(string folder, string program,
        params string[] arguments)
    {
        ProcessStartInfo start = new(program, arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["PYTHONDONTWRITEBYTECODE"] = "1";
        Process? process;
        try
        {
            process = Process.Start(start);
        }
        catch (Win32Exception)
        {
            return null;
        }

        using (process)
        {
            Task<string> output = process!.StandardOutput.ReadToEndAsync();
            Task<string> error = process.StandardError.ReadToEndAsync();
            using CancellationTokenSource limit = new(s_limit);
            try
            {
                await process.WaitForExitAsync(limit.Token);
            }
            catch (OperationCanceledException)
            {
                process.Kill(entireProcessTree: true);
                return (-1, $"{await output}{await error}ended after {s_limit.TotalMinutes} minutes");
            }

            return (process.ExitCode, await output + await error);
        }
    }
}
