namespace MsResampler.Server.Hosting.Logging;

/// <summary>Loggers that write lines to a sink.</summary>
/// <param name="sink">The sink, which the provider does not own.</param>
/// <param name="format">The format of the lines.</param>
internal sealed class LineLoggerProvider(LogSink sink, LogFormat format) : ILoggerProvider
{
    public ILogger CreateLogger(string categoryName) => new LineLogger(sink, format, categoryName);

    public void Dispose()
    {
    }

    private sealed class LineLogger(LogSink sink, LogFormat format, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter)
            => sink.Write(LogLine.Of(format, DateTime.UtcNow, logLevel, category, formatter(state, exception),
                exception));
    }
}
