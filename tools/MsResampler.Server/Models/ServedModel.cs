using Microsoft.Extensions.Options;
using MsResampler.Server.Batching;
using MsResampler.Server.Hosting;
using MsResampler.Server.Metrics;
using MsResampler.Server.Protocol;
using MsResampler.Vision;

namespace MsResampler.Server.Models;

/// <summary>A model of the server: it is loaded in the background, and its requests are computed in batches. All
/// members are thread-safe.</summary>
internal sealed class ServedModel : IAsyncDisposable
{
    /// <summary>The only version of every model.</summary>
    public const string Version = "1";

    /// <summary>The platform in the metadata of every model.</summary>
    public const string Platform = "msresampler";

    private readonly ServerSettings _server;
    private readonly ServerMetrics _metrics;
    private readonly ILoggerFactory _loggers;
    private readonly ModelParts _parts;
    private readonly CancellationTokenSource _stopLoading = new();
    private readonly Lock _stopping = new();
    private volatile Loaded? _loaded;
    private volatile bool _hasFailed;
    private volatile bool _isStopping;

    /// <summary>Starts to load a model.</summary>
    /// <param name="name">Its name in the protocol.</param>
    /// <param name="model">How it is loaded.</param>
    /// <param name="server">How requests are queued and batched.</param>
    /// <param name="metrics">Counts answers and batches.</param>
    /// <param name="loggers">The log.</param>
    /// <param name="parts">What tests replace; null for the defaults.</param>
    public ServedModel(string name, ModelSettings model, ServerSettings server, ServerMetrics metrics,
        ILoggerFactory loggers, ModelParts? parts = null)
    {
        (Name, _server, _metrics, _loggers) = (name, server, metrics, loggers);
        _parts = parts ?? new ModelParts();
        metrics.Add(name, () => QueueLength);
        Loading = Task.Run(() => LoadAsync(model));
    }

    /// <summary>The name in the protocol.</summary>
    public string Name { get; }

    /// <summary>Ends when the model is ready or cannot be loaded, without an exception.</summary>
    public Task Loading { get; }

    /// <summary>Why the model could not be loaded, or null. This is for the operator, not for clients.</summary>
    public Exception? Failure { get; private set; }

    /// <summary>How far the model is.</summary>
    public ModelState State => _loaded is { } loaded
        ? loaded.Batcher.IsDeviceLost ? ModelState.DeviceLost : ModelState.Ready
        : _hasFailed ? ModelState.LoadFailed : ModelState.Loading;

    /// <summary>The number of requests that wait and whose pictures are decoded.</summary>
    public int ReadyCount => _loaded?.Batcher.ReadyCount ?? 0;

    /// <summary>The sizes of the model.</summary>
    /// <exception cref="ServerException">The model is not loaded (<see cref="ErrorKind.Unavailable"/>).</exception>
    public ModelShape Shape => Required.Shape;

    /// <summary>The inputs in the metadata.</summary>
    /// <exception cref="ServerException">The model is not loaded (<see cref="ErrorKind.Unavailable"/>).</exception>
    public IReadOnlyList<TensorSpec> Inputs => Required.Inputs;

    /// <summary>The outputs in the metadata.</summary>
    /// <exception cref="ServerException">The model is not loaded (<see cref="ErrorKind.Unavailable"/>).</exception>
    public IReadOnlyList<TensorSpec> Outputs => Required.Outputs;

    /// <summary>The number of requests that wait.</summary>
    public int QueueLength => _loaded?.Batcher.QueueLength ?? 0;

    private Loaded Required => _loaded ?? throw (_isStopping
        ? new ServerException(ErrorKind.Unavailable, "the server is stopping")
        : _hasFailed
        ? new ServerException(ErrorKind.Unavailable, $"model '{Name}': it could not be loaded; the log of the server " +
            "says why")
        : new ServerException(ErrorKind.Unavailable, $"model '{Name}': it is still being loaded; try again later")
        {
            RetryAfter = TimeSpan.FromSeconds(1),
        });

    /// <summary>Computes a request. It waits in the queue, and is computed together with others.</summary>
    /// <param name="request">The request; the caller keeps and disposes it.</param>
    /// <param name="cancellationToken">Cancelled when the client has gone: the request then frees its place.</param>
    /// <returns>The answer, which the caller disposes.</returns>
    /// <exception cref="ServerException">The model is not ready, the queue is full, the deadline has passed, or the
    /// request cannot be computed.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public async Task<InferenceResult> InferAsync(InferenceRequest request, CancellationToken cancellationToken)
        => await Required.Batcher.InferAsync(request, cancellationToken).ConfigureAwait(false);

    /// <summary>Accepts no more requests, and waits until those in progress have ended. A model that is being loaded is
    /// not waited for.</summary>
    /// <param name="grace">Cancelled when the requests that are left must fail
    /// (<see cref="ErrorKind.Unavailable"/>).</param>
    /// <returns>The number of requests that had to fail.</returns>
    public async Task<int> StopAsync(CancellationToken grace)
    {
        lock (_stopping)
            _isStopping = true;
        await _stopLoading.CancelAsync().ConfigureAwait(false);
        return _loaded is { } loaded ? await loaded.Batcher.StopAsync(grace).ConfigureAwait(false) : 0;
    }

    /// <summary>Ends the threads after the requests in progress, and frees the model.</summary>
    public async ValueTask DisposeAsync()
    {
        await StopAsync(CancellationToken.None).ConfigureAwait(false);
        if (_loaded is not { } loaded)
            return;
        loaded.Batcher.Dispose();
        await Task.Run(loaded.Model.Dispose).ConfigureAwait(false);
    }

    private async Task LoadAsync(ModelSettings settings)
    {
        HostedModel? hosted = null;
        try
        {
            hosted = new HostedModel(Options.Create(ModelOptions.Of(settings, _parts.Backend)), _loggers);
            await hosted.StartAsync(_stopLoading.Token).ConfigureAwait(false);
            lock (_stopping)
            {
                if (hosted.State == HostedModelState.Ready && !_isStopping)
                {
                    _loaded = Start(hosted);
                    return;
                }
            }

            Failure = hosted.Failure;
        }
        catch (Exception exception)
        {
            Failure = exception;
            HostingEvents.ModelFailed(_loggers.CreateLogger(HostingEvents.Category), exception);
        }

        _hasFailed = true;
        hosted?.Dispose();
    }

    private Loaded Start(HostedModel hosted)
    {
        HostedModelParts parts = hosted.Parts;
        Resampler resampler = parts.Resampler;
        ModelShape shape = new(resampler.FeatureWidth, resampler.TokenCount, resampler.TokenWidth,
            resampler.Config.Scopes.Count, resampler.Config.GateGroupCount, parts.Tokenizer is not null);
        return new Loaded(hosted, shape, new Batcher(Name, resampler, parts.Tokenizer?.Encoder, _server, _metrics,
            _loggers.CreateLogger(BatchingEvents.Category), _parts.Pool, _parts.Time));
    }

    /// <summary>A model that is ready.</summary>
    private sealed record Loaded(HostedModel Model, ModelShape Shape, Batcher Batcher)
    {
        public IReadOnlyList<TensorSpec> Inputs { get; } = TensorSpecs.InputsOf(Shape);

        public IReadOnlyList<TensorSpec> Outputs { get; } = TensorSpecs.OutputsOf(Shape);
    }
}
