using Prometheus;

namespace MsResampler.Server.Metrics;

/// <summary>The metrics of models, with their names and labels. Those that start with <c>nv_</c> have the names, labels
/// and units of Triton, so that its dashboards and autoscaling rules work.</summary>
/// <param name="factory">Creates metrics in the registry of the server.</param>
internal sealed class MetricSet(IMetricFactory factory)
{
    /// <summary>Labels of a model.</summary>
    private static readonly string[] s_model = ["model", "version"];

    private static readonly string[] s_modelAndReason = ["model", "version", "reason"];

    private static readonly double[] s_seconds =
        [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

    private static readonly double[] s_counts = [1, 2, 4, 8, 16, 32, 64, 128, 256];

    public Counter Success { get; } = factory.CreateCounter("nv_inference_request_success",
        "Number of successful inference requests", s_model);

    public Counter Failure { get; } = factory.CreateCounter("nv_inference_request_failure",
        "Number of failed inference requests: REJECTED by a full queue or a deadline, CANCELED by the client, failed " +
        "in the BACKEND, or OTHER", s_modelAndReason);

    public Counter Inferences { get; } = factory.CreateCounter("nv_inference_count",
        "Number of images and groups that were computed", s_model);

    public Counter Executions { get; } = factory.CreateCounter("nv_inference_exec_count",
        "Number of batches that were computed", s_model);

    public Counter RequestTime { get; } = factory.CreateCounter("nv_inference_request_duration_us",
        "Time of successful requests from the end of the body to the answer, in microseconds", s_model);

    public Counter QueueTime { get; } = factory.CreateCounter("nv_inference_queue_duration_us",
        "Time that successful requests waited for their first batch, in microseconds", s_model);

    public Counter InputTime { get; } = factory.CreateCounter("nv_inference_compute_input_duration_us",
        "Time that successful requests spent in encoding pictures and gathering features, in microseconds", s_model);

    public Counter InferTime { get; } = factory.CreateCounter("nv_inference_compute_infer_duration_us",
        "Time that successful requests spent in the model, in microseconds", s_model);

    public Counter OutputTime { get; } = factory.CreateCounter("nv_inference_compute_output_duration_us",
        "Time that successful requests spent in distributing tokens, in microseconds", s_model);

    public Gauge Pending { get; } = factory.CreateGauge("nv_inference_pending_request_count",
        "Number of requests that wait", s_model);

    public Counter FailureKinds { get; } = factory.CreateCounter("msresampler_request_failures_total",
        "Number of failed inference requests by kind", ["model", "version", "kind"]);

    public Histogram RequestSeconds { get; } = factory.CreateHistogram("msresampler_request_duration_seconds",
        "Time of a successful request from the end of the body to the answer", s_model,
        new HistogramConfiguration { Buckets = s_seconds });

    public Histogram QueueSeconds { get; } = factory.CreateHistogram("msresampler_queue_duration_seconds",
        "Time that a successful request waited for its first batch", s_model,
        new HistogramConfiguration { Buckets = s_seconds });

    public Histogram RequestImages { get; } = factory.CreateHistogram("msresampler_request_images",
        "Number of images and groups of a successful request", s_model,
        new HistogramConfiguration { Buckets = s_counts });

    public Histogram BatchSeconds { get; } = factory.CreateHistogram("msresampler_batch_duration_seconds",
        "Time of a batch", s_model, new HistogramConfiguration { Buckets = s_seconds });

    public Histogram BatchImages { get; } = factory.CreateHistogram("msresampler_batch_images",
        "Number of images and groups of a batch", s_model, new HistogramConfiguration { Buckets = s_counts });

    public Histogram BatchRequests { get; } = factory.CreateHistogram("msresampler_batch_requests",
        "Number of requests of a batch", s_model, new HistogramConfiguration { Buckets = s_counts });
}
