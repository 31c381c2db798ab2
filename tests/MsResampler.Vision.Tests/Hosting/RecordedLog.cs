using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace MsResampler.Vision.Tests.Hosting;

/// <summary>Keeps what the category MsResampler logs.</summary>
internal sealed class RecordedLog : ILoggerProvider, ILogger
{
    private readonly ConcurrentQueue<(EventId Id, LogLevel Level, string Text, Exception? Exception)> _events = new();

    public (EventId Id, LogLevel Level, string Text, Exception? Exception)[] Events => [.. _events];

    public string[] Texts(int id) => [.. _events.Where(item => item.Id.Id == id).Select(item => item.Text)];

    public ILogger CreateLogger(string categoryName)
        => categoryName == HostingEvents.Category ? this
            : Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
        Func<TState, Exception?, string> formatter)
        => _events.Enqueue((eventId, logLevel, formatter(state, exception), exception));

    public void Dispose()
    {
    }
}
