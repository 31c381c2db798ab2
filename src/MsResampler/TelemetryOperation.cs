using System.Diagnostics;

namespace MsResampler;

/// <summary>An operation that is measured; the default value is one that nobody listens to. See
/// <see cref="Telemetry"/>.</summary>
internal readonly struct TelemetryOperation
{
    private readonly string? _name;
    private readonly string? _backend;
    private readonly string? _precision;
    private readonly long _start;
    private readonly bool _isQueued;
    private readonly Activity? _activity;

    /// <summary>Starts an operation.</summary>
    internal TelemetryOperation(string name, string? backend, string? precision)
    {
        (_name, _backend, _precision) = (name, backend, precision);
        _activity = Telemetry.Source.StartActivity(name);
        if (_activity is { IsAllDataRequested: true })
        {
            if (backend is not null)
                _activity.SetTag(Telemetry.BackendTag, backend);
            if (precision is not null)
                _activity.SetTag(Telemetry.PrecisionTag, precision);
        }

        // A listener that begins later must not see an operation leave that it has not seen enter.
        _isQueued = Telemetry.Queue.Enabled;
        if (_isQueued)
            Telemetry.Queue.Add(1, Tags());
        _start = Stopwatch.GetTimestamp();
    }

    /// <summary>Ends an operation that has succeeded.</summary>
    /// <param name="imageCount">The number of its images or frames.</param>
    /// <param name="tokenCount">The number of its visual tokens, not of their values.</param>
    public void Complete(long imageCount = 0, long tokenCount = 0)
    {
        if (_name is null)
            return;
        TagList tags = Tags();
        End(tags);
        if (imageCount > 0)
            Telemetry.Images.Add(imageCount, tags);
        if (tokenCount > 0)
            Telemetry.Tokens.Add(tokenCount, tags);
        if (_activity is null)
            return;
        if (_activity.IsAllDataRequested)
        {
            if (imageCount > 0)
                _activity.SetTag("msresampler.image.count", imageCount);
            if (tokenCount > 0)
                _activity.SetTag("msresampler.token.count", tokenCount);
        }

        _activity.Dispose();
    }

    /// <summary>Ends an operation that has failed or was cancelled.</summary>
    /// <param name="exception">Why it ended.</param>
    public void Fail(Exception exception)
    {
        if (_name is null)
            return;
        string error = exception.GetType().FullName ?? exception.GetType().Name;
        TagList tags = Tags();
        tags.Add(Telemetry.ErrorTag, error);
        End(tags);
        _activity?.SetTag(Telemetry.ErrorTag, error).SetStatus(ActivityStatusCode.Error, exception.Message).Dispose();
    }

    private void End(in TagList tags)
    {
        Telemetry.Duration.Record(Stopwatch.GetElapsedTime(_start).TotalSeconds, tags);
        Telemetry.Calls.Add(1, tags);
        if (_isQueued)
            Telemetry.Queue.Add(-1, Tags());
    }

    private TagList Tags()
    {
        TagList tags = new() { { Telemetry.OperationTag, _name } };
        if (_backend is not null)
            tags.Add(Telemetry.BackendTag, _backend);
        if (_precision is not null)
            tags.Add(Telemetry.PrecisionTag, _precision);
        return tags;
    }
}
