using MsResampler.Server.Protocol;

namespace MsResampler.Server.Metrics;

/// <summary>What the server counts. A model counts its successes and batches; whoever answers a request counts its
/// failure. Only names of models that exist become labels.</summary>
internal sealed class ServerMetrics
{
    /// <summary>Counts an answered request.</summary>
    public void Succeeded(string model, int imageCount, RequestTimes times)
    {
    }

    /// <summary>Counts a request without an answer.</summary>
    /// <param name="model">The name of a model that exists.</param>
    /// <param name="kind">Why; null if the client went away.</param>
    public void Failed(string model, ErrorKind? kind)
    {
    }

    /// <summary>Counts a batch.</summary>
    public void BatchComputed(string model, int imageCount, int requestCount, TimeSpan duration)
    {
    }

    /// <summary>Registers a model.</summary>
    /// <param name="model">Its name.</param>
    /// <param name="queueLength">Returns the number of its requests that wait.</param>
    public void Add(string model, Func<int> queueLength)
    {
    }
}
