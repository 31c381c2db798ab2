using MsResampler.Server.Protocol;

namespace MsResampler.Server.Rest;

/// <summary>A path: checks method and case, and answers errors.</summary>
/// <param name="pattern">The pattern of the path; null for a path that does not exist.</param>
/// <param name="method">The method; with GET, HEAD is allowed, too.</param>
/// <param name="handler">Answers; null for a path that does not exist.</param>
/// <param name="errors">Answers errors.</param>
internal sealed class RestRoute(string? pattern, string method, RequestDelegate? handler, RestErrors errors)
{
    private readonly string[] _segments = pattern?.Split('/') ?? [];

    /// <summary>Answers a request.</summary>
    public async Task InvokeAsync(HttpContext context)
    {
        try
        {
            if (handler is null || !MatchesCase(context.Request.Path))
                throw NotFound(context);
            string found = context.Request.Method;
            if (found == method || (HttpMethods.IsHead(found) && HttpMethods.IsGet(method)))
                await handler(context).ConfigureAwait(false);
            else
                await WriteWrongMethodAsync(context).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            await errors.WriteAsync(context, exception).ConfigureAwait(false);
        }
    }

    private static ServerException NotFound(HttpContext context)
        => new(ErrorKind.NotFound, $"the path {Quoted.Of(context.Request.Path.Value ?? "")} does not exist");

    // Routing ignores case; the protocol does not.
    private bool MatchesCase(PathString path)
    {
        string[] found = (path.Value ?? "").Split('/');
        for (int index = 0; index < _segments.Length; index++)
        {
            if (index >= found.Length || (!_segments[index].StartsWith('{') && _segments[index] != found[index]))
                return false;
        }

        return true;
    }

    private Task WriteWrongMethodAsync(HttpContext context)
    {
        context.Response.Headers.Allow = HttpMethods.IsGet(method) ? "GET, HEAD" : method;
        return RestErrors.WriteAsync(context, StatusCodes.Status405MethodNotAllowed,
            $"expected the method {method} for this path, found {Quoted.Of(context.Request.Method)}");
    }
}
