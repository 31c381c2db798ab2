using MsResampler.Server.Hosting;
using MsResampler.Server.Metrics;
using MsResampler.Server.Protocol;

namespace MsResampler.Server.Models;

/// <summary>All models of the server.</summary>
internal sealed class ModelCatalog : IAsyncDisposable
{
    private readonly Dictionary<string, ServedModel> _models = [];
    private volatile bool _isDraining;

    /// <summary>Starts to load all models.</summary>
    /// <param name="settings">The models, and how their requests are queued and batched.</param>
    /// <param name="metrics">Counts answers and batches.</param>
    /// <param name="loggers">The log.</param>
    /// <param name="parts">What tests replace; null for the defaults.</param>
    public ModelCatalog(ServerSettings settings, ServerMetrics metrics, ILoggerFactory loggers,
        ModelParts? parts = null)
    {
        foreach ((string name, ModelSettings model) in settings.Models)
            _models.Add(name, new ServedModel(name, model, settings, metrics, loggers, parts));
    }

    /// <summary>The models, in the order of their names.</summary>
    public IReadOnlyList<ServedModel> All => [.. _models.Values.OrderBy(model => model.Name, StringComparer.Ordinal)];

    /// <summary>Set when the server stops: it is then not ready, but still answers.</summary>
    public bool IsDraining
    {
        get => _isDraining;
        set => _isDraining = value;
    }

    /// <summary>Whether every model is ready and the server does not stop.</summary>
    public bool IsReady => !IsDraining && _models.Values.All(model => model.State == ModelState.Ready);

    /// <summary>Whether the process can go on; false once a device is lost, which only a new process repairs.</summary>
    public bool IsLive => _models.Values.All(model => model.State != ModelState.DeviceLost);

    /// <summary>Finds a model.</summary>
    /// <param name="name">Its name, case-sensitive.</param>
    /// <param name="version">Its version; null or empty for the only one.</param>
    /// <exception cref="ServerException">There is none (<see cref="ErrorKind.NotFound"/>).</exception>
    public ServedModel Find(string name, string? version = null)
    {
        if (!_models.TryGetValue(name, out ServedModel? model))
        {
            throw new ServerException(ErrorKind.NotFound, $"expected one of the models {string.Join(", ",
                All.Select(known => $"'{known.Name}'"))}, found {Quoted.Of(name)}");
        }

        return string.IsNullOrEmpty(version) || version == ServedModel.Version ? model
            : throw new ServerException(ErrorKind.NotFound, $"model '{name}': expected version " +
                $"'{ServedModel.Version}', the only one, found {Quoted.Of(version)}");
    }

    /// <summary>Accepts no more requests, and waits until those in progress have ended.</summary>
    /// <param name="grace">Cancelled when the requests that are left must fail
    /// (<see cref="ErrorKind.Unavailable"/>).</param>
    /// <returns>The number of requests that had to fail.</returns>
    public async Task<int> StopAsync(CancellationToken grace)
    {
        IsDraining = true;
        int[] failedCounts = await Task.WhenAll(_models.Values.Select(model => model.StopAsync(grace)))
            .ConfigureAwait(false);
        return failedCounts.Sum();
    }

    public async ValueTask DisposeAsync()
    {
        IsDraining = true;
        await Task.WhenAll(_models.Values.Select(model => model.DisposeAsync().AsTask())).ConfigureAwait(false);
    }
}
