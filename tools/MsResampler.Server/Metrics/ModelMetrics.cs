using MsResampler.Server.Models;
using MsResampler.Server.Protocol;
using Prometheus;

namespace MsResampler.Server.Metrics;

/// <summary>The metrics of one model.</summary>
internal sealed class ModelMetrics
{
    private readonly MetricSet _set;
    private readonly string[] _labels;
    private readonly Gauge.Child _pending;

    /// <param name="set">The metrics of all models.</param>
    /// <param name="model">The name of a model that exists.</param>
    public ModelMetrics(MetricSet set, string model)
    {
        (_set, _labels) = (set, [model, ServedModel.Version]);
        _pending = set.Pending.WithLabels(_labels);
        // Metrics that nothing has counted yet are 0, not missing.
        foreach (Counter counter in (Counter[])
            [set.Success, set.Inferences, set.Executions, set.RequestTime, set.QueueTime, set.InputTime, set.InferTime,
                set.OutputTime])
            counter.WithLabels(_labels).Publish();
        foreach (Histogram histogram in (Histogram[])
            [set.RequestSeconds, set.QueueSeconds, set.RequestImages, set.BatchSeconds, set.BatchImages,
                set.BatchRequests])
            histogram.WithLabels(_labels).Publish();
        foreach (ErrorKind? kind in Enum.GetValues<ErrorKind>().Cast<ErrorKind?>().Append(null))
        {
            set.Failure.WithLabels([.. _labels, ReasonOf(kind)]).Publish();
            set.FailureKinds.WithLabels([.. _labels, NameOf(kind)]).Publish();
        }
    }

    /// <summary>Returns the number of requests that wait.</summary>
    public Func<int>? QueueLength { get; set; }

    /// <summary>Reads the number of requests that wait.</summary>
    public void UpdateQueue() => _pending.Set(QueueLength?.Invoke() ?? 0);

    /// <summary>Counts an answered request.</summary>
    public void Succeeded(int imageCount, RequestTimes times)
    {
        _set.Success.WithLabels(_labels).Inc();
        _set.RequestTime.WithLabels(_labels).Inc(times.Total.TotalMicroseconds);
        _set.QueueTime.WithLabels(_labels).Inc(times.Queue.TotalMicroseconds);
        _set.InputTime.WithLabels(_labels).Inc(times.Input.TotalMicroseconds);
        _set.InferTime.WithLabels(_labels).Inc(times.Infer.TotalMicroseconds);
        _set.OutputTime.WithLabels(_labels).Inc(times.Output.TotalMicroseconds);
        _set.RequestSeconds.WithLabels(_labels).Observe(times.Total.TotalSeconds);
        _set.QueueSeconds.WithLabels(_labels).Observe(times.Queue.TotalSeconds);
        _set.RequestImages.WithLabels(_labels).Observe(imageCount);
    }

    /// <summary>Counts a request without an answer.</summary>
    /// <param name="kind">Why; null if the client went away.</param>
    public void Failed(ErrorKind? kind)
    {
        _set.Failure.WithLabels([.. _labels, ReasonOf(kind)]).Inc();
        _set.FailureKinds.WithLabels([.. _labels, NameOf(kind)]).Inc();
    }

    /// <summary>Counts a batch.</summary>
    public void BatchComputed(int imageCount, int requestCount, TimeSpan duration)
    {
        _set.Inferences.WithLabels(_labels).Inc(imageCount);
        _set.Executions.WithLabels(_labels).Inc();
        _set.BatchImages.WithLabels(_labels).Observe(imageCount);
        _set.BatchRequests.WithLabels(_labels).Observe(requestCount);
        _set.BatchSeconds.WithLabels(_labels).Observe(duration.TotalSeconds);
    }

    /// <summary>The reason of Triton for a failure.</summary>
    private static string ReasonOf(ErrorKind? kind) => kind switch
    {
        null => "CANCELED",
        ErrorKind.Busy or ErrorKind.DeadlineExceeded => "REJECTED",
        ErrorKind.Internal => "BACKEND",
        _ => "OTHER",
    };

    private static string NameOf(ErrorKind? kind) => kind switch
    {
        null => "cancelled",
        ErrorKind.InvalidRequest => "invalid_request",
        ErrorKind.NotFound => "not_found",
        ErrorKind.TooLarge => "too_large",
        ErrorKind.Busy => "busy",
        ErrorKind.Unavailable => "unavailable",
        ErrorKind.DeadlineExceeded => "deadline_exceeded",
        _ => "internal",
    };
}
