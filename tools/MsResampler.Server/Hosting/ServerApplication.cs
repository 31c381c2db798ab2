using System.Net;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using MsResampler.Server.Grpc;
using MsResampler.Server.Limits;
using MsResampler.Server.Metrics;
using MsResampler.Server.Models;
using MsResampler.Server.Rest;

namespace MsResampler.Server.Hosting;

/// <summary>Builds the web application.</summary>
internal static class ServerApplication
{
    /// <summary>Builds a server that is not started.</summary>
    /// <param name="settings">The settings.</param>
    public static WebApplication Build(ServerSettings settings)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Services.AddSingleton(settings);
        builder.Services.AddSingleton<ServerMetrics>();
        builder.Services.AddSingleton<ModelCatalog>();
        builder.Services.AddSingleton(new MemoryBudget(settings.MaxMemoryBytes > 0 ? settings.MaxMemoryBytes
            : GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 4));
        builder.Services.AddGrpc();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, settings.Http, listen => listen.Protocols = HttpProtocols.Http1);
            kestrel.Listen(IPAddress.Loopback, settings.Grpc, listen => listen.Protocols = HttpProtocols.Http2);
        });
        WebApplication application = builder.Build();
        RestEndpoints.Map(application);
        application.MapGrpcService<InferenceService>();
        return application;
    }
}
