using MsResampler.Server.Hosting;
using MsResampler.Server.Metrics;
using MsResampler.Server.Protocol;

namespace MsResampler.Server.Models;

/// <summary>A model of the server: it is loaded in the background, and its requests are computed in batches. All
/// members are thread-safe.</summary>
internal sealed class ServedModel : IAsyncDisposable
{
    /// <summary>The only version of every model.</summary>
    public const string Version = "1";

    /// <summary>The platform in the metadata of every model.</summary>
    public const string Platform = "msresampler";

    public ServedModel(string name, ModelSettings model, ServerSettings server, ServerMetrics metrics,
        ILoggerFactory loggers)
        => Name = name;

    /// <summary>The name in the protocol.</summary>
    public string Name { get; }

    /// <summary>How far the model is.</summary>
    public ModelState State => throw new NotImplementedException();

    /// <summary>The sizes of the model.</summary>
    /// <exception cref="ServerException">The model is not loaded (<see cref="ErrorKind.Unavailable"/>).</exception>
    public ModelShape Shape => throw new NotImplementedException();

    /// <summary>The inputs in the metadata.</summary>
    /// <exception cref="ServerException">The model is not loaded (<see cref="ErrorKind.Unavailable"/>).</exception>
    public IReadOnlyList<TensorSpec> Inputs => throw new NotImplementedException();

    /// <summary>The outputs in the metadata.</summary>
    /// <exception cref="ServerException">The model is not loaded (<see cref="ErrorKind.Unavailable"/>).</exception>
    public IReadOnlyList<TensorSpec> Outputs => throw new NotImplementedException();

    /// <summary>Computes a request. It waits in the queue, and is computed together with others.</summary>
    /// <param name="request">The request; the caller keeps and disposes it.</param>
    /// <param name="cancellationToken">Cancelled when the client has gone: the request then frees its place.</param>
    /// <returns>The answer, which the caller disposes.</returns>
    /// <exception cref="ServerException">The model is not ready, the queue is full, the deadline has passed, or the
    /// request cannot be computed.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public Task<InferenceResult> InferAsync(InferenceRequest request, CancellationToken cancellationToken)
        => throw new NotImplementedException();

    /// <summary>Ends the threads after the requests in progress.</summary>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
