using Grpc.Core;
using Grpc.Core.Interceptors;
using MsResampler.Server.Protocol;

namespace MsResampler.Server.Grpc;

/// <summary>Turns the exceptions of calls into statuses. What is not an error of the request is logged, and the client
/// does not see its message.</summary>
internal sealed partial class ErrorInterceptor(ILogger<ErrorInterceptor> logger) : Interceptor
{
    public override async Task<TResponse> UnaryServerHandler<TRequest, TResponse>(TRequest request,
        ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
    {
        try
        {
            return await continuation(request, context).ConfigureAwait(false);
        }
        catch (ServerException exception)
        {
            if (exception.Kind == ErrorKind.Internal)
                LogFailure(context.Method, exception);
            throw GrpcErrors.Of(exception);
        }
        catch (OperationCanceledException) when (context.CancellationToken.IsCancellationRequested)
        {
            throw new RpcException(GrpcErrors.HasClientGone(context)
                ? new Status(StatusCode.Cancelled, "the client cancelled the call")
                : new Status(StatusCode.DeadlineExceeded, "the deadline of the call has passed"));
        }
        catch (RpcException)
        {
            throw;
        }
        catch (Exception exception)
        {
            LogFailure(context.Method, exception);
            throw new RpcException(new Status(StatusCode.Internal, GrpcErrors.Failed));
        }
    }

    [LoggerMessage(1, LogLevel.Error, "The call {Method} failed.", EventName = "CallFailed")]
    private partial void LogFailure(string method, Exception exception);
}
