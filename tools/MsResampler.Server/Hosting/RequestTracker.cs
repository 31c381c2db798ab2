using MsResampler.Server.Models;

namespace MsResampler.Server.Hosting;

/// <summary>Counts the requests in progress, and closes connections of HTTP/1.1 after an answer once the server stops:
/// a request that comes over an idle connection while it is being closed would be lost.</summary>
/// <param name="models">Says whether the server stops.</param>
internal sealed class RequestTracker(ModelCatalog models)
{
    // The services of gRPC itself, whose calls may last as long as the client likes: health and reflection.
    private const string ServicesOfGrpc = "/grpc.";

    private int _count;
    private long _endedCount;

    /// <summary>The number of requests with work that are in progress.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>The number of requests with work that have ended since the start.</summary>
    public long EndedCount => Interlocked.Read(ref _endedCount);

    /// <summary>Handles a request with the rest of the application.</summary>
    public async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        if (models.IsDraining && context.Request.Protocol == HttpProtocol.Http11)
            context.Response.Headers.Connection = "close";
        if (!HttpMethods.IsPost(context.Request.Method)
            || context.Request.Path.Value!.StartsWith(ServicesOfGrpc, StringComparison.Ordinal))
        {
            await next(context).ConfigureAwait(false);
            return;
        }

        Interlocked.Increment(ref _count);
        try
        {
            await next(context).ConfigureAwait(false);
        }
        finally
        {
            Interlocked.Increment(ref _endedCount);
            Interlocked.Decrement(ref _count);
        }
    }
}
