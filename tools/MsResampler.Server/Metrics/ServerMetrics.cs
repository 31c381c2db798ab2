using System.Collections.Concurrent;
using MsResampler.Server.Protocol;
using Prometheus;

namespace MsResampler.Server.Metrics;

/// <summary>What the server counts. A model counts its successes and batches; whoever answers a request counts its
/// failure. Only names of models that exist become labels.</summary>
internal sealed class ServerMetrics
{
    private readonly ConcurrentDictionary<string, ModelMetrics> _models = [];
    private readonly MetricSet _set;

    public ServerMetrics()
    {
        Registry = Prometheus.Metrics.NewCustomRegistry();
        _set = new MetricSet(Prometheus.Metrics.WithCustomRegistry(Registry));
        Registry.AddBeforeCollectCallback(() =>
        {
            foreach (ModelMetrics model in _models.Values)
                model.UpdateQueue();
        });
    }

    /// <summary>All metrics of this server.</summary>
    public CollectorRegistry Registry { get; }

    /// <summary>Counts an answered request.</summary>
    public void Succeeded(string model, int imageCount, RequestTimes times) => Of(model).Succeeded(imageCount, times);

    /// <summary>Counts a request without an answer.</summary>
    /// <param name="model">The name of a model that exists.</param>
    /// <param name="kind">Why; null if the client went away.</param>
    public void Failed(string model, ErrorKind? kind) => Of(model).Failed(kind);

    /// <summary>Counts a batch.</summary>
    public void BatchComputed(string model, int imageCount, int requestCount, TimeSpan duration)
        => Of(model).BatchComputed(imageCount, requestCount, duration);

    /// <summary>Registers a model.</summary>
    /// <param name="model">Its name.</param>
    /// <param name="queueLength">Returns the number of its requests that wait.</param>
    public void Add(string model, Func<int> queueLength) => Of(model).QueueLength = queueLength;

    private ModelMetrics Of(string model)
        => _models.GetOrAdd(model, static (name, set) => new ModelMetrics(set, name), _set);
}
