using System.Diagnostics;
using System.Runtime.ExceptionServices;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Vision;

/// <summary>The one model of a service: the first who asks loads it, and it is disposed with the container. All members
/// are thread-safe.</summary>
/// <param name="options">The options, read when the model is loaded.</param>
/// <param name="loggers">The log, or null for none.</param>
internal sealed class HostedModel(IOptions<MsResamplerOptions> options, ILoggerFactory? loggers = null) : IDisposable
{
    /// <summary>The limit of the grids that are remembered, so that each plan is logged once.</summary>
    private const int MaxLoggedGridCount = 4096;

    private readonly ILogger _logger = loggers?.CreateLogger(HostingEvents.Category) ?? NullLogger.Instance;
    private readonly Lock _loading = new();
    private readonly HashSet<PatchGrid> _loggedGrids = [];
    private int _isStarted;
    private volatile bool _isWarmUpPending;
    private volatile HostedModelParts? _parts;
    private volatile Exception? _failure;
    private volatile bool _isLoading;
    private volatile bool _isDisposed;

    /// <summary>How far the model is.</summary>
    public HostedModelState State => _failure is not null ? HostedModelState.Failed
        : _parts is not null ? _isWarmUpPending ? HostedModelState.WarmingUp : HostedModelState.Ready
        : _isLoading ? HostedModelState.Loading : HostedModelState.NotLoaded;

    /// <summary>Why the model cannot be used, or null.</summary>
    public Exception? Failure => _failure;

    /// <summary>The parts, which the first call loads. If that fails, every caller gets the same exception.</summary>
    public HostedModelParts Parts
    {
        get
        {
            if (_parts is { } loaded)
                return loaded;
            lock (_loading)
            {
                ObjectDisposedException.ThrowIf(_isDisposed, typeof(Resampler));
                if (_failure is { } failure)
                    ExceptionDispatchInfo.Throw(failure);
                return _parts ??= LoadOrFail();
            }
        }
    }

    /// <summary>Starts to load in the background, and to warm up if the options say so; later calls have no
    /// effect.</summary>
    /// <returns>A task that ends without an exception when the model is ready, has failed or was cancelled.</returns>
    public Task StartAsync(CancellationToken cancellationToken)
        => Interlocked.Exchange(ref _isStarted, 1) != 0 ? Task.CompletedTask
            : Task.Run(() => LoadAndWarmUpAsync(cancellationToken), CancellationToken.None);

    public void Dispose()
    {
        // Waits for a load in progress.
        lock (_loading)
        {
            _isDisposed = true;
            _parts?.Dispose();
        }
    }

    private async Task LoadAndWarmUpAsync(CancellationToken cancellationToken)
    {
        try
        {
            _isWarmUpPending = options.Value.WarmUp;
            HostedModelParts parts = Parts;
            if (!_isWarmUpPending)
                return;
            long start = Stopwatch.GetTimestamp();
            IList<PatchGrid> grids = options.Value.WarmUpGrids;
            // Most of the first call's time is code that is compiled, whatever the grid.
            if (grids.Count == 0 && parts.Tokenizer is null)
                grids = [new(parts.Resampler.Config.QueryGrid.Rows, parts.Resampler.Config.QueryGrid.Columns)];
            parts.Resampler.WarmUp([], cancellationToken);
            foreach (PatchGrid grid in grids)
                parts.Resampler.WarmUp([grid], cancellationToken);
            if (parts.Tokenizer is { } tokenizer)
                await tokenizer.WarmUpAsync(cancellationToken).ConfigureAwait(false);
            HostingEvents.WarmedUp(_logger, Stopwatch.GetElapsedTime(start).TotalSeconds, grids.Count);
            _isWarmUpPending = false;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The host stops.
        }
        catch (Exception exception)
        {
            // A task that nobody waits for must not end the process; the health check and every caller tell. A model
            // that was disposed during its warm-up has not failed.
            if (_failure is null && !_isDisposed)
                Fail(exception);
        }
    }

    private HostedModelParts LoadOrFail()
    {
        _isLoading = true;
        try
        {
            return Load(options.Value);
        }
        catch (Exception exception)
        {
            Fail(exception);
            throw;
        }
    }

    private void Fail(Exception exception)
    {
        _failure = exception;
        HostingEvents.ModelFailed(_logger, exception);
    }

    private HostedModelParts Load(MsResamplerOptions settings)
    {
        string path = settings.ModelPath!;
        VisualTokenizerOptions tokenizer = settings.Tokenizer;
        Resampler? resampler = null;
        VisionEncoder? encoder = null;
        try
        {
            long start = Stopwatch.GetTimestamp();
            ResamplerOptions resamplerOptions = tokenizer.Resampler with { Planned = LogOnce };
            resamplerOptions.Backend.StartPreparing(resamplerOptions.Precision);
            CheckpointLayout layout;
            using (ResamplerModel model = ResamplerModel.Open(path, resamplerOptions.Layout))
            {
                layout = model.Layout;
                resampler = Resampler.Load(model, resamplerOptions);
            }

            HostingEvents.ModelLoaded(_logger, path, layout, Stopwatch.GetElapsedTime(start).TotalSeconds);
            HostingEvents.BackendSelected(_logger, resampler.Description, resampler.Precision, resampler.WeightBytes);
            foreach (string warning in resampler.Warnings)
                HostingEvents.ModelWarning(_logger, path, warning);
            if (settings.EncoderPath is { } encoderPath)
            {
                start = Stopwatch.GetTimestamp();
                encoder = VisionEncoder.Load(encoderPath, tokenizer.Encoder);
                HostingEvents.EncoderLoaded(_logger, encoderPath, encoder.ChannelCount,
                    Stopwatch.GetElapsedTime(start).TotalSeconds);
            }

            return new HostedModelParts(path, layout, resampler, encoder, tokenizer);
        }
        catch
        {
            encoder?.Dispose();
            resampler?.Dispose();
            throw;
        }
    }

    private void LogOnce(ExecutionPlan plan)
    {
        if (!_logger.IsEnabled(HostingEvents.GridPlannedLevel))
            return;
        lock (_loggedGrids)
        {
            if (_loggedGrids.Count >= MaxLoggedGridCount || !_loggedGrids.Add(plan.Grid))
                return;
        }

        HostingEvents.GridPlanned(_logger, plan.Grid, string.Join(", ", plan.Scopes.Select(scope
            => new ScopeStrategy(scope.Keys, scope.Values))), plan.Flops);
    }
}
