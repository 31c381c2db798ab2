using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using MsResampler.Server.Hosting;
using MsResampler.Server.Models;

namespace MsResampler.Server.Tests;

/// <summary>A server in this process, on free ports of the loopback address.</summary>
internal sealed class RunningServer : IAsyncDisposable
{
    private RunningServer(WebApplication application, Uri http, Uri grpc)
        => (Application, Http, Grpc) = (application, http, grpc);

    /// <summary>The application.</summary>
    public WebApplication Application { get; }

    /// <summary>The address of REST.</summary>
    public Uri Http { get; }

    /// <summary>The address of gRPC.</summary>
    public Uri Grpc { get; }

    /// <summary>The models.</summary>
    public ModelCatalog Models => Application.Services.GetRequiredService<ModelCatalog>();

    /// <summary>Starts a server and waits until its models are no longer loading.</summary>
    public static async Task<RunningServer> StartAsync(ServerSettings settings)
    {
        (settings.Http, settings.Grpc, settings.Address) = (0, 0, "127.0.0.1");
        WebApplication application = ServerApplication.Build(settings);
        await application.StartAsync();
        string[] addresses = [.. application.Services.GetRequiredService<IServer>().Features
            .Get<IServerAddressesFeature>()!.Addresses];
        RunningServer server = new(application, new Uri(addresses[0]), new Uri(addresses[1]));
        DateTime limit = DateTime.UtcNow.AddMinutes(1);
        while (server.Models.All.Any(model => model.State == ModelState.Loading) && DateTime.UtcNow < limit)
            await Task.Delay(10);
        return server;
    }

    public async ValueTask DisposeAsync()
    {
        await Application.StopAsync();
        await Application.DisposeAsync();
    }
}
