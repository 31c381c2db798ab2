using MsResampler.Server.Hosting;
using MsResampler.Server.Metrics;
using MsResampler.Server.Protocol;

namespace MsResampler.Server.Models;

/// <summary>All models of the server.</summary>
internal sealed class ModelCatalog : IAsyncDisposable
{
    private readonly Dictionary<string, ServedModel> _models = [];

    public ModelCatalog(ServerSettings settings, ServerMetrics metrics, ILoggerFactory loggers)
    {
        foreach ((string name, ModelSettings model) in settings.Models)
            _models.Add(name, new ServedModel(name, model, settings, metrics, loggers));
    }

    /// <summary>The models, in the order of their names.</summary>
    public IReadOnlyList<ServedModel> All => [.. _models.Values.OrderBy(model => model.Name, StringComparer.Ordinal)];

    /// <summary>Set when the server stops: it is then not ready, but still answers.</summary>
    public bool IsDraining { get; set; }

    /// <summary>Whether every model is ready and the server does not stop.</summary>
    public bool IsReady => !IsDraining && _models.Values.All(model => model.State == ModelState.Ready);

    /// <summary>Whether the process can go on; false once a device is lost, which only a new process repairs.</summary>
    public bool IsLive => _models.Values.All(model => model.State != ModelState.DeviceLost);

    /// <summary>Finds a model.</summary>
    /// <param name="name">Its name, case-sensitive.</param>
    /// <param name="version">Its version; null or empty for the only one.</param>
    /// <exception cref="ServerException">There is none (<see cref="ErrorKind.NotFound"/>).</exception>
    public ServedModel Find(string name, string? version = null) => throw new NotImplementedException();

    public async ValueTask DisposeAsync()
    {
        foreach (ServedModel model in _models.Values)
            await model.DisposeAsync().ConfigureAwait(false);
    }
}
