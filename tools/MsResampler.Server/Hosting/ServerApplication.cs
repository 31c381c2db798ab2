using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using MsResampler.Server.Grpc;
using MsResampler.Server.Hosting.Logging;
using MsResampler.Server.Limits;
using MsResampler.Server.Metrics;
using MsResampler.Server.Models;
using MsResampler.Server.Rest;

namespace MsResampler.Server.Hosting;

/// <summary>Builds the web application.</summary>
internal static class ServerApplication
{
    // Lines about connections and requests that are wrong are as many as clients like.
    private const string ConnectionCategory = "Microsoft.AspNetCore.Server.Kestrel.Connections";
    private const string ActivityCategory = "Microsoft.AspNetCore.Hosting.Diagnostics";
    // It repeats a failed start with its stack; the process reports it in one line.
    private const string HostCategory = "Microsoft.Extensions.Hosting.Internal.Host";
    private const int MemoryShare = 4;

    /// <summary>Builds a server that is not started. It reads no files but those of models and certificates, and no
    /// variables.</summary>
    /// <param name="settings">The settings.</param>
    /// <param name="platform">The sections of ASP.NET Core and the variables of OpenTelemetry; null for none.</param>
    /// <param name="log">Gets the log lines; null for no log.</param>
    public static WebApplication Build(ServerSettings settings, IConfiguration? platform = null, LogSink? log = null)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions
        {
            ApplicationName = typeof(ServerApplication).Assembly.GetName().Name,
            // Relative paths of certificates start where those of models do, not at the installed program.
            ContentRootPath = Directory.GetCurrentDirectory(),
            EnvironmentName = Environments.Production,
        });
        platform ??= new ConfigurationBuilder().Build();
        builder.Configuration.AddConfiguration(platform);
        AddLogging(builder, settings, platform, log);
        builder.Services.AddSingleton<IHostLifetime, ManualLifetime>();
        // The process has its own limits for the time of a stop.
        builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = Timeout.InfiniteTimeSpan);
        builder.Services.AddRouting();
        builder.Services.AddSingleton(settings);
        builder.Services.AddSingleton<ServerMetrics>();
        builder.Services.AddSingleton<ModelCatalog>();
        builder.Services.AddSingleton<RequestTracker>();
        builder.Services.AddSingleton(new MemoryBudget(settings.MaxMemoryBytes > 0 ? settings.MaxMemoryBytes
            : GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / MemoryShare));
        builder.Services.AddInferenceGrpc(settings);
        if (Tracing.IsWanted(platform))
            Tracing.Add(builder.Services);
        else // It would make an activity for every request, to name it in log lines.
            builder.Logging.AddFilter(ActivityCategory, LogLevel.None);
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration()
            .ConfigureKestrel(kestrel => KestrelSetup.Configure(kestrel, settings, platform));
        WebApplication application = builder.Build();
        RequestTracker tracker = application.Services.GetRequiredService<RequestTracker>();
        application.Use(next => context => tracker.InvokeAsync(context, next));
        RestEndpoints.Map(application);
        MetricsEndpoint.Map(application);
        application.MapInferenceGrpc();
        return application;
    }

    /// <summary>The addresses of a started server; with ports, REST before gRPC.</summary>
    public static IReadOnlyCollection<string> AddressesOf(WebApplication application)
        => [.. application.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses];

    private static void AddLogging(WebApplicationBuilder builder, ServerSettings settings, IConfiguration platform,
        LogSink? log)
    {
        builder.Services.AddLogging();
        if (log is null)
            return;
        LogLevel other = settings.LogLevel > LogLevel.Warning ? settings.LogLevel : LogLevel.Warning;
        builder.Logging.SetMinimumLevel(other).AddFilter("MsResampler", settings.LogLevel)
            .AddFilter(ConnectionCategory, LogLevel.Error).AddFilter(HostCategory, LogLevel.None)
            .AddConfiguration(platform.GetSection("Logging"))
            .AddProvider(new LineLoggerProvider(log, settings.LogFormat));
    }

    /// <summary>A lifetime without handlers of signals, which the process has.</summary>
    private sealed class ManualLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
