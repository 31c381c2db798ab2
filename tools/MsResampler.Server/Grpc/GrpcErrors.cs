using System.Globalization;
using Grpc.Core;
using MsResampler.Server.Protocol;

namespace MsResampler.Server.Grpc;

/// <summary>The gRPC status of each error.</summary>
internal static class GrpcErrors
{
    /// <summary>The trailer with the seconds after which a client may try again, as in HTTP.</summary>
    public const string RetryAfter = "retry-after";

    /// <summary>The trailer with the milliseconds after which gRPC's own retries go on.</summary>
    public const string RetryPushback = "grpc-retry-pushback-ms";

    /// <summary>What a client reads about an error that is not its own.</summary>
    public const string Failed = "the server failed";

    /// <summary>The status of a kind of error.</summary>
    public static StatusCode StatusOf(ErrorKind kind) => kind switch
    {
        ErrorKind.InvalidRequest => StatusCode.InvalidArgument,
        ErrorKind.NotFound => StatusCode.NotFound,
        ErrorKind.TooLarge or ErrorKind.Busy => StatusCode.ResourceExhausted,
        ErrorKind.Unavailable => StatusCode.Unavailable,
        ErrorKind.DeadlineExceeded => StatusCode.DeadlineExceeded,
        _ => StatusCode.Internal,
    };

    /// <summary>The answer to a request that fails.</summary>
    public static RpcException Of(ServerException exception)
    {
        Metadata trailers = [];
        if (exception.RetryAfter is TimeSpan delay)
        {
            trailers.Add(RetryAfter, Math.Ceiling(delay.TotalSeconds).ToString(CultureInfo.InvariantCulture));
            trailers.Add(RetryPushback, Math.Ceiling(delay.TotalMilliseconds).ToString(CultureInfo.InvariantCulture));
        }

        return new RpcException(new Status(StatusOf(exception.Kind), exception.Message), trailers);
    }

    /// <summary>The kind of an exception for the metrics; null if the client went away.</summary>
    public static ErrorKind? KindOf(Exception exception, ServerCallContext call) => exception switch
    {
        ServerException known => known.Kind,
        OperationCanceledException when call.CancellationToken.IsCancellationRequested
            => HasClientGone(call) ? null : ErrorKind.DeadlineExceeded,
        _ => ErrorKind.Internal,
    };

    /// <summary>Whether a cancelled call was cancelled by its client; else its deadline has passed, which does not
    /// abort the HTTP request.</summary>
    public static bool HasClientGone(ServerCallContext call)
        => call.GetHttpContext().RequestAborted.IsCancellationRequested;
}
