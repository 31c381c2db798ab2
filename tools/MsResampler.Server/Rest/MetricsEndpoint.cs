using MsResampler.Server.Hosting;
using MsResampler.Server.Limits;
using MsResampler.Server.Metrics;
using MsResampler.Server.Models;
using Prometheus;

namespace MsResampler.Server.Rest;

/// <summary>The path <c>/metrics</c> in the text format of Prometheus.</summary>
internal static class MetricsEndpoint
{
    /// <summary>The path.</summary>
    public const string Path = "/metrics";

    private const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    /// <summary>Adds the path, and the metrics of the whole server.</summary>
    public static void Map(IEndpointRouteBuilder routes)
    {
        IServiceProvider services = routes.ServiceProvider;
        CollectorRegistry registry = services.GetRequiredService<ServerMetrics>().Registry;
        ProcessMetrics.Add(registry);
        AddServer(registry, services.GetRequiredService<MemoryBudget>(), services.GetRequiredService<ModelCatalog>(),
            services.GetRequiredService<RequestTracker>());
        RestErrors errors = ActivatorUtilities.CreateInstance<RestErrors>(services);
        routes.Map(Path, new RestRoute(Path, HttpMethods.Get, WriteAsync, errors).InvokeAsync);

        Task WriteAsync(HttpContext context)
        {
            context.Response.ContentType = ContentType;
            return registry.CollectAndExportAsTextAsync(context.Response.Body, context.RequestAborted);
        }
    }

    private static void AddServer(CollectorRegistry registry, MemoryBudget memory, ModelCatalog models,
        RequestTracker requests)
    {
        MetricFactory factory = Prometheus.Metrics.WithCustomRegistry(registry);
        Gauge capacity = factory.CreateGauge("msresampler_request_memory_capacity_bytes",
            "Memory that requests in progress may occupy");
        Gauge used = factory.CreateGauge("msresampler_request_memory_used_bytes",
            "Memory that requests in progress occupy");
        Gauge inProgress = factory.CreateGauge("msresampler_requests_in_progress",
            "Number of requests from their first byte to the end of their answer");
        Gauge ready = factory.CreateGauge("msresampler_model_ready", "1 if the model answers requests, else 0",
            ["model", "version"]);
        capacity.Set(memory.Capacity);
        registry.AddBeforeCollectCallback(() =>
        {
            used.Set(memory.Used);
            inProgress.Set(requests.Count);
            foreach (ServedModel model in models.All)
                ready.WithLabels(model.Name, ServedModel.Version).Set(model.State == ModelState.Ready ? 1 : 0);
        });
    }
}
