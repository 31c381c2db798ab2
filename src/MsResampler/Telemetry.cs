using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace MsResampler;

/// <summary>The activities and measurements of this project, all from a source and a meter of one name. Without a
/// listener, an operation costs a few comparisons and allocates nothing.</summary>
/// <remarks>Other assemblies of the project use it for their operations, too:
/// <code>
/// TelemetryOperation operation = Telemetry.Start("decode");
/// try
/// {
///     RgbImage image = Decode();
///     operation.Complete(imageCount: 1);
///     return image;
/// }
/// catch (Exception exception)
/// {
///     operation.Fail(exception);
///     throw;
/// }
/// </code>
/// An operation is ended by exactly one of the two calls, on any thread. Its name is a constant verb in lower case: it
/// names the activity and is the tag <c>msresampler.operation</c> of every measurement.</remarks>
internal static class Telemetry
{
    /// <summary>The name of the source of activities and of the meter.</summary>
    public const string Name = "MsResampler";

    /// <summary>The tag with the name of an operation.</summary>
    public const string OperationTag = "msresampler.operation";

    /// <summary>The tag with the name of the backend, such as "cpu".</summary>
    public const string BackendTag = "msresampler.backend";

    /// <summary>The tag with the precision in lower case, such as "float32".</summary>
    public const string PrecisionTag = "msresampler.precision";

    /// <summary>The tag with the full name of the type of an exception.</summary>
    public const string ErrorTag = "error.type";

    private static readonly string? s_version = typeof(Telemetry).Assembly.GetName().Version?.ToString(3);

    private static readonly Meter s_meter = new(Name, s_version);

    /// <summary>The source of activities.</summary>
    public static ActivitySource Source { get; } = new(Name, s_version);

    /// <summary>Operations that have ended, with or without an error.</summary>
    public static Counter<long> Calls { get; } = s_meter.CreateCounter<long>("msresampler.calls", "{call}",
        "Operations that have ended");

    /// <summary>Images and frames of operations that have succeeded.</summary>
    public static Counter<long> Images { get; } = s_meter.CreateCounter<long>("msresampler.images", "{image}",
        "Images and frames of operations that have succeeded");

    /// <summary>Tokens of operations that have succeeded.</summary>
    public static Counter<long> Tokens { get; } = s_meter.CreateCounter<long>("msresampler.tokens", "{token}",
        "Visual tokens of operations that have succeeded");

    /// <summary>Seconds from the start of an operation to its end. The boundaries reach from a small image to a large
    /// batch.</summary>
    public static Histogram<double> Duration { get; } = s_meter.CreateHistogram("msresampler.duration", "s",
        "Time of an operation, with the time that it waits", tags: null, new InstrumentAdvice<double>
        {
            HistogramBucketBoundaries = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
        });

    /// <summary>Operations that have started and not ended.</summary>
    public static UpDownCounter<long> Queue { get; } = s_meter.CreateUpDownCounter<long>("msresampler.queue",
        "{call}", "Operations in progress or waiting");

    /// <summary>Starts an operation.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="backend">The tag <see cref="BackendTag"/>; null for none.</param>
    /// <param name="precision">The tag <see cref="PrecisionTag"/>; null for none.</param>
    public static TelemetryOperation Start(string name, string? backend = null, string? precision = null)
        => Source.HasListeners() || Duration.Enabled || Calls.Enabled || Images.Enabled || Tokens.Enabled
            || Queue.Enabled ? new TelemetryOperation(name, backend, precision) : default;
}
