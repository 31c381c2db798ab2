using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using MsResampler.Server.Hosting;
using MsResampler.Server.Models;

namespace MsResampler.Server.Tests;

/// <summary>A server in this process, on free ports of the loopback address.</summary>
internal sealed class RunningServer : IAsyncDisposable
{
    private static readonly TimeSpan s_loadingLimit = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan s_stopLimit = TimeSpan.FromSeconds(10);

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
    /// <param name="settings">The settings; their ports and address are replaced.</param>
    /// <param name="platform">Settings of ASP.NET Core, or null.</param>
    public static async Task<RunningServer> StartAsync(ServerSettings settings, IConfiguration? platform = null)
    {
        (settings.Http, settings.Grpc, settings.Address) = (0, 0, "127.0.0.1");
        WebApplication application = ServerApplication.Build(settings, platform);
        await application.StartAsync();
        string[] addresses = [.. ServerApplication.AddressesOf(application)];
        RunningServer server = new(application, new Uri(addresses[0]), new Uri(addresses[1]));
        await Task.WhenAll(server.Models.All.Select(model => model.Loading)).WaitAsync(s_loadingLimit);
        return server;
    }

    public async ValueTask DisposeAsync()
    {
        using CancellationTokenSource limit = new(s_stopLimit);
        await Application.StopAsync(limit.Token);
        await Application.DisposeAsync();
    }
}
