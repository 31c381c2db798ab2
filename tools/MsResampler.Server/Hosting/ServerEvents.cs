namespace MsResampler.Server.Hosting;

/// <summary>What the server logs about itself.</summary>
internal static partial class ServerEvents
{
    /// <summary>The category of the events.</summary>
    public const string Category = "MsResampler.Server";

    [LoggerMessage(1, LogLevel.Information, "listening on {address}", EventName = nameof(Listening))]
    public static partial void Listening(ILogger logger, string address);

    [LoggerMessage(2, LogLevel.Information, "model {model} is ready", EventName = nameof(ModelReady))]
    public static partial void ModelReady(ILogger logger, string model);

    [LoggerMessage(3, LogLevel.Error, "model {model} cannot be used",
        EventName = nameof(ModelUnusable))]
    public static partial void ModelUnusable(ILogger logger, string model);

    [LoggerMessage(4, LogLevel.Information, "{signal}: stopping; the server is no longer ready",
        EventName = nameof(Stopping))]
    public static partial void Stopping(ILogger logger, string signal);

    [LoggerMessage(5, LogLevel.Warning, "{count} requests had to be cancelled after the grace of {seconds} s",
        EventName = nameof(Cancelled))]
    public static partial void Cancelled(ILogger logger, int count, double seconds);

    [LoggerMessage(6, LogLevel.Information, "stopped after {count} requests", EventName = nameof(Stopped))]
    public static partial void Stopped(ILogger logger, long count);
}
