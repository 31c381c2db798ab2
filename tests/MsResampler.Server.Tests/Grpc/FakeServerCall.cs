using Grpc.Core;
using Microsoft.AspNetCore.Http;

namespace MsResampler.Server.Tests.Grpc;

/// <summary>A call without a connection.</summary>
/// <param name="http">Its HTTP context.</param>
/// <param name="cancellationToken">Its token.</param>
internal sealed class FakeServerCall(HttpContext http, CancellationToken cancellationToken) : ServerCallContext
{
    protected override string MethodCore => "/a/B";

    protected override string HostCore => "";

    protected override string PeerCore => "";

    protected override DateTime DeadlineCore => DateTime.MaxValue;

    protected override Metadata RequestHeadersCore { get; } = [];

    protected override CancellationToken CancellationTokenCore => cancellationToken;

    protected override Metadata ResponseTrailersCore { get; } = [];

    protected override Status StatusCore { get; set; }

    protected override WriteOptions? WriteOptionsCore { get; set; }

    protected override AuthContext AuthContextCore { get; } = new(null, []);

    /// <summary>The library finds the HTTP context here.</summary>
    protected override IDictionary<object, object> UserStateCore { get; }
        = new Dictionary<object, object> { ["__HttpContext"] = http };

    protected override ContextPropagationToken CreatePropagationTokenCore(ContextPropagationOptions? options)
        => throw new NotSupportedException();

    protected override Task WriteResponseHeadersAsyncCore(Metadata responseHeaders) => Task.CompletedTask;
}
