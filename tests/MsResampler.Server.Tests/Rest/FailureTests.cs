using System.Text;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using MsResampler.Server.Protocol;
using MsResampler.Server.Rest;

namespace MsResampler.Server.Tests.Rest;

/// <summary>Exceptions as answers.</summary>
internal sealed class FailureTests
{
    private static readonly (ErrorKind Kind, int Status)[] s_statuses =
    [
        (ErrorKind.InvalidRequest, 400), (ErrorKind.NotFound, 404), (ErrorKind.TooLarge, 413), (ErrorKind.Busy, 429),
        (ErrorKind.Unavailable, 503), (ErrorKind.DeadlineExceeded, 503), (ErrorKind.Internal, 500),
    ];

    [Test]
    public void EveryKindHasAStatus()
        => Assert.That(s_statuses.Select(entry => entry.Kind), Is.EquivalentTo(Enum.GetValues<ErrorKind>()));

    [TestCaseSource(nameof(s_statuses))]
    public async Task AKnownErrorHasItsStatusAndMessage((ErrorKind Kind, int Status) entry)
    {
        (int status, string body, _, int logCount) = await AnswerAsync(new ServerException(entry.Kind, "why 'a'"));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(status, Is.EqualTo(entry.Status));
            Assert.That(body, Is.EqualTo("{\"error\":\"why 'a'\"}"));
            Assert.That(logCount, Is.Zero);
        }
    }

    [Test]
    public async Task AnUnexpectedExceptionIsLoggedOnceAndNotShown()
    {
        (int status, string body, _, int logCount)
            = await AnswerAsync(new InvalidOperationException("/secret/path: a detail"));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(status, Is.EqualTo(500));
            Assert.That(body, Is.EqualTo("{\"error\":\"the server failed\"}"));
            Assert.That(logCount, Is.EqualTo(1));
        }
    }

    [TestCase(0.2, "1")]
    [TestCase(2.0, "2")]
    [TestCase(2.1, "3")]
    public async Task RetryAfterIsInWholeSeconds(double seconds, string expected)
        => Assert.That((await AnswerAsync(new ServerException(ErrorKind.Unavailable, "")
        {
            RetryAfter = TimeSpan.FromSeconds(seconds),
        })).RetryAfter, Is.EqualTo(expected));

    [Test]
    public async Task OnlyABusyServerAlwaysSaysWhenToTryAgain()
    {
        Assert.That((await AnswerAsync(new ServerException(ErrorKind.Busy, ""))).RetryAfter, Is.EqualTo("1"));
        Assert.That((await AnswerAsync(new ServerException(ErrorKind.Unavailable, ""))).RetryAfter, Is.Empty);
    }

    [TestCase(413, ErrorKind.TooLarge, "larger")]
    [TestCase(408, ErrorKind.InvalidRequest, "slowly")]
    [TestCase(400, ErrorKind.InvalidRequest, "form")]
    public async Task ErrorsOfTheWebServerKeepTheirStatus(int expected, ErrorKind kind, string word)
    {
        BadHttpRequestException exception = new("internal words", expected);
        (int status, string body, _, int logCount) = await AnswerAsync(exception);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(status, Is.EqualTo(expected));
            Assert.That(body, Does.Contain(word).And.Not.Contains("internal words"));
            Assert.That(RestErrors.KindOf(new DefaultHttpContext(), exception), Is.EqualTo(kind));
            Assert.That(logCount, Is.Zero);
        }
    }

    [Test]
    public async Task AClientThatHasGoneIsNeitherAnsweredNorLogged()
    {
        Exception[] exceptions =
            [new OperationCanceledException(), new IOException("reset"), new BadHttpRequestException("ended", 400)];
        foreach (Exception exception in exceptions)
        {
            (_, string body, _, int logCount) = await AnswerAsync(exception, hasGone: true);
            Assert.That(body, Is.Empty);
            Assert.That(logCount, Is.Zero);
        }
    }

    /// <summary>The exception of HTTP/2 comes before the request is marked as aborted.</summary>
    [Test]
    public async Task AConnectionThatEndsInABodyIsNoFailureOfTheServer()
    {
        IOException exception = new("aborted", new ConnectionAbortedException());
        (_, string body, _, int logCount) = await AnswerAsync(exception);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(body, Is.Empty);
            Assert.That(logCount, Is.Zero);
            Assert.That(RestErrors.KindOf(new DefaultHttpContext(), exception), Is.Null);
        }
    }

    private static async Task<(int Status, string Body, string RetryAfter, int LogCount)> AnswerAsync(
        Exception exception, bool hasGone = false)
    {
        using MemoryStream body = new();
        using CountingLoggers loggers = new();
        DefaultHttpContext context = new() { RequestAborted = new CancellationToken(hasGone) };
        context.Response.Body = body;
        await new RestErrors(loggers).WriteAsync(context, exception);
        return (context.Response.StatusCode, Encoding.UTF8.GetString(body.ToArray()),
            context.Response.Headers.RetryAfter.ToString(), loggers.Count);
    }

    private sealed class CountingLoggers : ILoggerFactory, ILogger
    {
        public int Count { get; private set; }

        public void AddProvider(ILoggerProvider provider)
        {
        }

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter) => Count++;

        public void Dispose()
        {
        }
    }
}
