using System.Text;
using MsResampler.Cli.Native;
using MsResampler.Server.Hosting;
using MsResampler.Server.Hosting.Configuration;
using MsResampler.Server.Hosting.Logging;
using MsResampler.Server.Hosting.Processes;

namespace MsResampler.Server;

/// <summary>The process. Whatever goes wrong before or while it serves, it ends with a documented exit code.</summary>
internal static class Program
{
    private static readonly TimeSpan s_flush = TimeSpan.FromSeconds(1);

    private static void Main(string[] args)
    {
        (Stream output, Stream error) = (Stream.Null, Stream.Null);
        int exitCode;
        try
        {
            (output, error) = StandardStreams.Open();
            using Termination termination = new(() => ProcessEnd.Now(ExitCode.Cancelled));
            exitCode = RunAsync(args, output, error, termination).GetAwaiter().GetResult();
        }
#pragma warning disable CA1031 // The last line of defence: every error is one line for the user.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            Say(error, exception is SettingsException ? exception.Message
                : $"unexpected {exception.GetType().Name}: {exception.Message}");
            exitCode = ExitCode.BadInput;
        }

        // At once, because a model may still be loading.
        ProcessEnd.Now(exitCode);
    }

    private static async Task<int> RunAsync(string[] args, Stream output, Stream error, Termination termination)
    {
        using StringWriter text = new() { NewLine = "\n" };
        ServerStart? start = CommandLine.Read(args, Environment.GetEnvironmentVariables(), "", text);
        if (start is null)
        {
            output.Write(Encoding.UTF8.GetBytes(text.ToString()));
            output.Flush();
            return ExitCode.Done;
        }

        if (start.HealthAddress is { } address)
        {
            int exitCode = await HealthProbe.AskAsync(address, text).ConfigureAwait(false);
            error.Write(Encoding.UTF8.GetBytes(text.ToString()));
            return exitCode;
        }

        using LogSink log = new(output, count => LogLine.Lost(start.Settings.LogFormat, count));
        try
        {
            return await new ServerProcess(start, log, termination).RunAsync().ConfigureAwait(false);
        }
        finally
        {
            log.Flush(s_flush);
        }
    }

    private static void Say(Stream error, string text)
    {
        try
        {
            error.Write(Encoding.UTF8.GetBytes($"error: {text.ReplaceLineEndings(" ")}\n"));
            error.Flush();
        }
#pragma warning disable CA1031 // The error cannot be shown; only the exit code remains.
        catch (Exception)
#pragma warning restore CA1031
        {
        }
    }
}
