using System.Buffers;
using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Connections;
using MsResampler.Server.Protocol;

namespace MsResampler.Server.Rest;

/// <summary>Answers errors of REST: a status and {"error": "…"}.</summary>
/// <param name="loggers">Where unexpected errors are logged.</param>
internal sealed partial class RestErrors(ILoggerFactory loggers)
{
    private static readonly TimeSpan s_defaultRetryAfter = TimeSpan.FromSeconds(1);

    private readonly ILogger _logger = loggers.CreateLogger("MsResampler.Server.Rest");

    /// <summary>The kind of an error; null if the client went away.</summary>
    public static ErrorKind? KindOf(HttpContext context, Exception exception) => exception switch
    {
        ServerException known => known.Kind,
        _ when HasGone(context, exception) => null,
        BadHttpRequestException { StatusCode: StatusCodes.Status413PayloadTooLarge } => ErrorKind.TooLarge,
        BadHttpRequestException => ErrorKind.InvalidRequest,
        _ => ErrorKind.Internal,
    };

    /// <summary>Answers a status with a message.</summary>
    public static Task WriteAsync(HttpContext context, int status, string message)
    {
        // The rest of such a body is not read, so that the connection cannot be used again.
        if (status is StatusCodes.Status413PayloadTooLarge or StatusCodes.Status408RequestTimeout
            && HttpProtocol.IsHttp11(context.Request.Protocol))
            context.Response.Headers.Connection = "close";
        ArrayBufferWriter<byte> json = new();
        using (Utf8JsonWriter writer = new(json, RestJson.Options))
        {
            writer.WriteStartObject();
            writer.WriteString("error"u8, message);
            writer.WriteEndObject();
        }

        return RestJson.WriteAsync(context, status, json.WrittenMemory);
    }

    /// <summary>Answers an exception. If the answer has begun, the connection ends.</summary>
    public Task WriteAsync(HttpContext context, Exception exception)
    {
        bool hasGone = HasGone(context, exception);
        if (exception is not (ServerException or BadHttpRequestException) && !hasGone)
            LogFailure(exception, context.Request.Method, context.Request.Path);
        if (hasGone || context.Response.HasStarted)
        {
            context.Abort();
            return Task.CompletedTask;
        }

        if (exception is BadHttpRequestException http)
            return WriteAsync(context, http.StatusCode, MessageOf(http));
        if (exception is not ServerException known)
            return WriteAsync(context, StatusCodes.Status500InternalServerError, "the server failed");
        if (known.RetryAfter is not null || known.Kind == ErrorKind.Busy)
        {
            double seconds = Math.Ceiling((known.RetryAfter ?? s_defaultRetryAfter).TotalSeconds);
            context.Response.Headers.RetryAfter = Math.Max(seconds, 1).ToString(CultureInfo.InvariantCulture);
        }

        return WriteAsync(context, StatusOf(known.Kind), known.Message);
    }

    private static int StatusOf(ErrorKind kind) => kind switch
    {
        ErrorKind.InvalidRequest => StatusCodes.Status400BadRequest,
        ErrorKind.NotFound => StatusCodes.Status404NotFound,
        ErrorKind.TooLarge => StatusCodes.Status413PayloadTooLarge,
        ErrorKind.Busy => StatusCodes.Status429TooManyRequests,
        ErrorKind.Unavailable or ErrorKind.DeadlineExceeded => StatusCodes.Status503ServiceUnavailable,
        _ => StatusCodes.Status500InternalServerError,
    };

    private static string MessageOf(BadHttpRequestException exception) => exception.StatusCode switch
    {
        StatusCodes.Status413PayloadTooLarge => "the body is larger than the server accepts",
        StatusCodes.Status408RequestTimeout => "the body arrived too slowly",
        _ => "the body does not have the form or the length that the headers of the request announce",
    };

    /// <summary>Whether the client went away. Reading a body of HTTP/2 can fail before the request is marked as
    /// aborted.</summary>
    private static bool HasGone(HttpContext context, Exception exception)
        => exception is ConnectionResetException or IOException { InnerException: ConnectionAbortedException }
            || (context.RequestAborted.IsCancellationRequested
            && exception is OperationCanceledException or IOException);

    [LoggerMessage(Level = LogLevel.Error, Message = "{Method} {Path} failed")]
    private partial void LogFailure(Exception exception, string method, string path);
}
