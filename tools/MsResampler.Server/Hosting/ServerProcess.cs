using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using MsResampler.Server.Hosting.Configuration;
using MsResampler.Server.Hosting.Logging;
using MsResampler.Server.Hosting.Processes;
using MsResampler.Server.Models;

namespace MsResampler.Server.Hosting;

/// <summary>The life of a server: it starts, announces its addresses and models, and stops after a signal.</summary>
/// <param name="start">The settings.</param>
/// <param name="log">Gets the log lines.</param>
/// <param name="termination">Asks the server to stop.</param>
internal sealed class ServerProcess(ServerStart start, LogSink log, Termination termination)
{
    private static readonly TimeSpan s_poll = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan s_lastBytes = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_disposal = TimeSpan.FromSeconds(2);

    private readonly ServerSettings _settings = start.Settings;

    /// <summary>Runs the server until a signal.</summary>
    /// <returns>The exit code.</returns>
    /// <exception cref="SettingsException">The server cannot start.</exception>
    public async Task<int> RunAsync()
    {
        termination.Serve();
        WebApplication application = ServerApplication.Build(_settings, start.Platform, log);
        ILogger logger = application.Services.GetRequiredService<ILoggerFactory>().CreateLogger(ServerEvents.Category);
        await StartAsync(application).ConfigureAwait(false);
        foreach (string address in ServerApplication.AddressesOf(application))
            ServerEvents.Listening(logger, address);
        ModelCatalog models = application.Services.GetRequiredService<ModelCatalog>();
        Task announcements = Task.WhenAll(models.All.Select(model => AnnounceAsync(model, logger)));
        if (await Task.WhenAny(termination.Requested, announcements).ConfigureAwait(false) == announcements
            && models.All.All(model => model.State == ModelState.LoadFailed))
        {
            throw new SettingsException(string.Join("; ", models.All.Select(model
                => $"model {model.Name} cannot be used: {model.Failure?.Message}")));
        }

        string signal = await termination.Requested.ConfigureAwait(false);
        RequestTracker requests = application.Services.GetRequiredService<RequestTracker>();
        int exitCode = await StopAsync(application, models, requests, signal, logger).ConfigureAwait(false);
        // A model that is being loaded, or a batch that does not end, ends with the process.
        Task disposal = Task.Run(async () => await application.DisposeAsync().ConfigureAwait(false));
        await Task.WhenAny(disposal, Task.Delay(s_disposal)).ConfigureAwait(false);
        ServerEvents.Stopped(logger, requests.EndedCount);
        return exitCode;
    }

    private async Task StartAsync(WebApplication application)
    {
        try
        {
            await application.StartAsync().ConfigureAwait(false);
        }
        catch (IOException exception) when (exception.InnerException is AddressInUseException)
        {
            throw new SettingsException($"{PortOption(exception.Message)}another process uses this port " +
                $"({FirstLine(exception)}); choose another one, or 0 for any free port", exception);
        }
        catch (Exception exception) when (exception is SocketException or IOException or InvalidOperationException
            or System.Security.Cryptography.CryptographicException or UnauthorizedAccessException)
        {
            throw new SettingsException($"the server cannot listen on its ports: {FirstLine(exception)}", exception);
        }
    }

    /// <summary>The option of the port in a message of the web server, and the port.</summary>
    private string PortOption(string message)
    {
        foreach ((string option, int port) in ((string, int)[])
            [("--http", _settings.Http), ("--grpc", _settings.Grpc)])
        {
            if (port > 0 && message.Contains($":{port}:", StringComparison.Ordinal))
                return $"{option} {port}: ";
        }

        return "";
    }

    private static string FirstLine(Exception exception) => exception.Message.Split('\n')[0].TrimEnd('.', '\r');

    private static async Task AnnounceAsync(ServedModel model, ILogger logger)
    {
        await model.Loading.ConfigureAwait(false);
        if (model.State == ModelState.Ready)
            ServerEvents.ModelReady(logger, model.Name);
        else
            ServerEvents.ModelUnusable(logger, model.Name);
    }

    private async Task<int> StopAsync(WebApplication application, ModelCatalog models, RequestTracker requests,
        string signal, ILogger logger)
    {
        models.IsDraining = true;
        ServerEvents.Stopping(logger, signal);
        await Task.Delay(TimeSpan.FromSeconds(_settings.ShutdownDelay)).ConfigureAwait(false);
        using CancellationTokenSource abort = new();
        // Stops to accept connections, closes those without a request, and ends when the others have closed.
        Task stop = application.StopAsync(abort.Token);
        await WaitAsync(stop, TimeSpan.FromSeconds(_settings.Grace), () => requests.Count == 0).ConfigureAwait(false);
        int cancelledCount = requests.Count;
        if (cancelledCount > 0)
        {
            ServerEvents.Cancelled(logger, cancelledCount, _settings.Grace);
            // Answers the requests that wait or are computed.
            await WaitAsync(models.StopAsync(new CancellationToken(canceled: true)), s_lastBytes, () => false)
                .ConfigureAwait(false);
        }

        // The last bytes of answers, and connections that the clients close.
        await WaitAsync(stop, s_lastBytes, () => false).ConfigureAwait(false);
        await abort.CancelAsync().ConfigureAwait(false);
        await Task.WhenAny(stop, Task.Delay(s_lastBytes)).ConfigureAwait(false);
        return cancelledCount > 0 ? ExitCode.Cancelled : ExitCode.Done;
    }

    private static async Task WaitAsync(Task task, TimeSpan limit, Func<bool> isEnough)
    {
        using CancellationTokenSource timeout = new(limit);
        while (!task.IsCompleted && !timeout.IsCancellationRequested && !isEnough())
            await Task.WhenAny(task, Task.Delay(s_poll)).ConfigureAwait(false);
    }
}
