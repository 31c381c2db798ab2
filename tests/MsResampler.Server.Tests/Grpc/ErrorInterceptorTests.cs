using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using MsResampler.Server.Grpc;
using MsResampler.Server.Protocol;

namespace MsResampler.Server.Tests.Grpc;

/// <summary>The statuses of exceptions.</summary>
internal sealed class ErrorInterceptorTests
{
    private readonly List<string> _log = [];

    [SetUp]
    public void ClearLog() => _log.Clear();

    [TestCase(ErrorKind.InvalidRequest, StatusCode.InvalidArgument)]
    [TestCase(ErrorKind.NotFound, StatusCode.NotFound)]
    [TestCase(ErrorKind.TooLarge, StatusCode.ResourceExhausted)]
    [TestCase(ErrorKind.Busy, StatusCode.ResourceExhausted)]
    [TestCase(ErrorKind.Unavailable, StatusCode.Unavailable)]
    [TestCase(ErrorKind.DeadlineExceeded, StatusCode.DeadlineExceeded)]
    public async Task An_error_of_a_request_has_its_status_and_message(object kind, StatusCode status)
    {
        RpcException failure = await FailureOfAsync(new ServerException((ErrorKind)kind, "expected a, found b"));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(failure.Status, Is.EqualTo(new Status(status, "expected a, found b")));
            Assert.That(failure.Trailers, Is.Empty);
            Assert.That(_log, Is.Empty);
        }
    }

    [Test]
    public void Every_kind_of_error_has_a_status()
        => Assert.That(Enum.GetValues<ErrorKind>().Where(kind => GrpcErrors.StatusOf(kind) == StatusCode.Internal),
            Is.EqualTo(new[] { ErrorKind.Internal }));

    [Test]
    public async Task The_time_to_wait_is_in_the_trailers_rounded_up()
    {
        RpcException failure = await FailureOfAsync(new ServerException(ErrorKind.Busy, "full")
        {
            RetryAfter = TimeSpan.FromSeconds(2.0001),
        });
        using (Assert.EnterMultipleScope())
        {
            Assert.That(failure.Trailers.GetValue("retry-after"), Is.EqualTo("3"));
            Assert.That(failure.Trailers.GetValue("grpc-retry-pushback-ms"), Is.EqualTo("2001"));
        }
    }

    [Test]
    public async Task An_unknown_exception_is_logged_and_the_client_does_not_see_it()
    {
        RpcException failure = await FailureOfAsync(new InvalidOperationException("/secret/path"));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(failure.Status, Is.EqualTo(new Status(StatusCode.Internal, "the server failed")));
            Assert.That(_log, Has.Count.EqualTo(1));
            Assert.That(_log[0], Does.Contain("/secret/path"));
        }
    }

    [Test]
    public async Task A_cancelled_call_is_cancelled()
        => Assert.That((await CancelledAsync(isCancelled: true, hasClientGone: true)).StatusCode,
            Is.EqualTo(StatusCode.Cancelled));

    [Test]
    public async Task A_call_whose_deadline_has_passed_says_so()
        => Assert.That((await CancelledAsync(isCancelled: true, hasClientGone: false)).StatusCode,
            Is.EqualTo(StatusCode.DeadlineExceeded));

    [Test]
    public async Task A_cancellation_without_a_cancelled_call_is_an_error_of_the_server()
        => Assert.That((await CancelledAsync(isCancelled: false, hasClientGone: false)).StatusCode,
            Is.EqualTo(StatusCode.Internal));

    private Task<RpcException> CancelledAsync(bool isCancelled, bool hasClientGone)
        => FailureOfAsync(new OperationCanceledException(), isCancelled, hasClientGone);

    private async Task<RpcException> FailureOfAsync(Exception exception, bool isCancelled = false,
        bool hasClientGone = false)
    {
        using ILoggerFactory loggers = LoggerFactory.Create(builder => builder.AddProvider(new LineLog(_log)));
        ErrorInterceptor interceptor = new(loggers.CreateLogger<ErrorInterceptor>());
        FakeServerCall call = new(new DefaultHttpContext { RequestAborted = new CancellationToken(hasClientGone) },
            new CancellationToken(isCancelled));
        return (await Assert.ThrowsAsync<RpcException>(() => interceptor.UnaryServerHandler<string, string>("", call,
            (_, _) => throw exception)))!;
    }

    private sealed class LineLog(List<string> lines) : ILoggerProvider, ILogger
    {
        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter) => lines.Add($"{formatter(state, exception)} {exception}");

        public void Dispose()
        {
        }
    }
}
