using System.Buffers;
using System.Diagnostics;
using MsResampler.Server.Hosting;
using MsResampler.Server.Metrics;
using MsResampler.Server.Models;
using MsResampler.Server.Protocol;
using MsResampler.Vision;

namespace MsResampler.Server.Batching;

/// <summary>Computes the requests of a loaded model in batches, on threads of its own. All members are
/// thread-safe.</summary>
internal sealed class Batcher : IDisposable
{
    private const int MaxDecoderCount = 8;

    /// <summary>The limit for the features of a batch that are copied together, and for its tokens.</summary>
    private const int MaxStagedValues = 1 << 26;

    private static readonly TimeSpan s_longestTimer = TimeSpan.FromMilliseconds(uint.MaxValue - 1);

    private readonly string _model;
    private readonly Resampler _resampler;
    private readonly PictureDecoding? _decoding;
    private readonly ServerMetrics _metrics;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly TimeSpan? _timeout;
    private readonly ServiceTime _serviceTime;
    private readonly RequestQueue _queue;
    private readonly BatchFailures _failures;
    private readonly BatchComputation _computation;
    private readonly Thread[] _threads;
    private volatile bool _isDeviceLost;

    /// <param name="model">The name of the model.</param>
    /// <param name="resampler">The resampler, which the caller disposes after <see cref="StopAsync"/>.</param>
    /// <param name="encoder">The encoder, which the caller disposes, or null.</param>
    /// <param name="settings">The settings.</param>
    /// <param name="metrics">Counts answers and batches.</param>
    /// <param name="logger">The log.</param>
    /// <param name="pool">The pool of features and answers.</param>
    /// <param name="time">The clock.</param>
    public Batcher(string model, Resampler resampler, VisionEncoder? encoder, ServerSettings settings,
        ServerMetrics metrics, ILogger logger, ArrayPool<float> pool, TimeProvider time)
    {
        (_model, _resampler, _metrics, _logger, _time) = (model, resampler, metrics, logger, time);
        _timeout = settings.RequestTimeout > 0 ? TimeSpan.FromSeconds(settings.RequestTimeout) : null;
        _decoding = encoder is null ? null
            : new PictureDecoding(encoder, Math.Min(Environment.ProcessorCount, MaxDecoderCount));
        _serviceTime = new ServiceTime(settings.Instances);
        int batchSize = Math.Min(settings.BatchSize, Math.Max(1, MaxStagedValues / resampler.TokenLength(1)));
        _queue = new RequestQueue(settings.QueueSize, batchSize,
            MaxStagedValues / resampler.FeatureWidth, TimeSpan.FromMilliseconds(settings.BatchDelay), _serviceTime,
            time);
        _failures = new BatchFailures(model, _queue, logger);
        _computation = new BatchComputation(resampler, encoder, _queue, _failures, pool, time);
        _threads = new Thread[settings.Instances];
        for (int index = 0; index < _threads.Length; index++)
        {
            _threads[index] = new Thread(Work) { IsBackground = true, Name = $"{model} batches {index}" };
            _threads[index].UnsafeStart();
        }
    }

    /// <summary>Whether the device failed, so that no request can be computed any more.</summary>
    public bool IsDeviceLost => _isDeviceLost;

    /// <summary>The number of requests that wait.</summary>
    public int QueueLength => _queue.Length;

    /// <summary>The number of requests that wait and whose pictures are decoded.</summary>
    public int ReadyCount => _queue.ReadyCount;

    /// <inheritdoc cref="ServedModel.InferAsync"/>
    public async Task<InferenceResult> InferAsync(InferenceRequest request, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Check(request);
        PendingRequest pending = new(request, _resampler.FeatureWidth, _time.GetTimestamp());
        if (pending.Pictures is not null)
            pending.Decoding = new CancellationTokenSource();
        using CancellationTokenSource? deadline = StartDeadline(request);
        _queue.Admit(pending);
        await using (cancellationToken.UnsafeRegister(_ => _queue.Fail(pending,
            new OperationCanceledException(cancellationToken)), null).ConfigureAwait(false))
        await using ((deadline?.Token ?? default).UnsafeRegister(_ => _queue.Fail(pending, new ServerException(
            ErrorKind.DeadlineExceeded, "the deadline of the request has passed")), null).ConfigureAwait(false))
        {
            if (pending.Decoding is null)
                _queue.Enqueue(pending);
            else
                await DecodeAsync(pending, pending.Decoding.Token).ConfigureAwait(false);
            InferenceResult result = await pending.Outcome.ConfigureAwait(false);
            RequestTimes times = pending.Times;
            _metrics.Succeeded(_model, pending.GroupCount, times with
            {
                Total = _time.GetElapsedTime(pending.Arrival),
                Queue = _time.GetElapsedTime(pending.ReadyTime, pending.Start!.Value),
                Input = times.Input + _time.GetElapsedTime(pending.Arrival, pending.ReadyTime),
            });
            return result;
        }
    }

    /// <summary>Accepts no more requests and waits until the others have ended.</summary>
    /// <param name="grace">Cancelled when the requests that are left must fail.</param>
    /// <returns>The number of requests that had to fail.</returns>
    public async Task<int> StopAsync(CancellationToken grace)
    {
        _queue.Drain(Stopping);
        int failedCount = 0;
        await using (grace.UnsafeRegister(_ => failedCount = _queue.FailAll(Stopping), null).ConfigureAwait(false))
            await _queue.Drained.ConfigureAwait(false);
        await Task.Run(() => Array.ForEach(_threads, thread => thread.Join()), CancellationToken.None)
            .ConfigureAwait(false);
        return failedCount;
    }

    public void Dispose() => _queue.Dispose();

    private static ServerException Stopping() => new(ErrorKind.Unavailable, "the server is stopping");

    private void Check(InferenceRequest request)
    {
        if (request.GroupCount == 0)
            throw new ServerException(ErrorKind.InvalidRequest, "expected at least one image, found none");
        Int128 tokens = (Int128)request.GroupCount * _resampler.TokenCount
            * Math.Max(_resampler.TokenWidth, _resampler.Config.Scopes.Count * _resampler.Config.GateGroupCount);
        if (tokens > Array.MaxLength)
        {
            throw new ServerException(ErrorKind.TooLarge, $"expected at most {Array.MaxLength} values in an answer, " +
                $"found a request for {tokens}; use several requests");
        }
    }

    private CancellationTokenSource? StartDeadline(InferenceRequest request)
    {
        TimeSpan? limit = request.Timeout is { } own && (_timeout is null || own < _timeout) ? own : _timeout;
        if (limit is not { } time)
            return null;
        return new CancellationTokenSource(TimeSpan.FromTicks(Math.Clamp(time.Ticks, 0, s_longestTimer.Ticks)), _time);
    }

    private async Task DecodeAsync(PendingRequest pending, CancellationToken cancellationToken)
    {
        if (!_queue.TryPin(pending))
            return;
        try
        {
            await _decoding!.DecodeAsync(pending, cancellationToken).ConfigureAwait(false);
            _queue.Enqueue(pending);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The request has failed.
        }
        catch (Exception exception)
        {
            _queue.Fail(pending, exception as ServerException
                ?? _failures.OfBatch(_failures.Log(exception)));
        }
        finally
        {
            _queue.Unpin(pending);
        }
    }

    private void Work()
    {
        while (_queue.Take() is { } batch)
        {
            using Activity? activity = StartActivity(batch);
            activity?.SetTag("msresampler.batch.images", batch.GroupCount);
            try
            {
                if (_computation.Run(batch))
                {
                    _serviceTime.Add(batch.Cost, batch.Times.Input + batch.Times.Infer + batch.Times.Output);
                    _metrics.BatchComputed(_model, batch.GroupCount, batch.Slices.Count, batch.Times.Infer);
                }
            }
            catch (OperationCanceledException) when (batch.Cancellation.IsCancellationRequested)
            {
                // Nobody waits for it.
            }
            catch (Exception exception)
            {
                activity?.SetStatus(ActivityStatusCode.Error);
                Fail(batch, exception);
            }
            finally
            {
                _queue.End(batch);
            }
        }
    }

    private void Fail(Batch batch, Exception exception)
    {
        if (BatchFailures.IsDeviceLost(exception))
        {
            _isDeviceLost = true;
            BatchingEvents.DeviceLost(_logger, _model, exception);
            _queue.FailAll(_failures.DeviceLost);
            return;
        }

        _failures.Log(exception);
        foreach (BatchSlice slice in batch.Slices)
            _queue.Fail(slice.Request, _failures.OfBatch(exception));
    }

    /// <summary>The activity of a batch, linked to those of its requests; null if nobody listens.</summary>
    private static Activity? StartActivity(Batch batch)
    {
        if (!Telemetry.Source.HasListeners())
            return null;
        ActivityLink[] links = [.. batch.Slices.Where(slice => slice.Request.Context is not null)
            .Select(slice => new ActivityLink(slice.Request.Context!.Value))];
        return Telemetry.Source.StartActivity("batch", ActivityKind.Internal, parentContext: default, links: links);
    }
}
