using System.Text;
using MsResampler.Server.Metrics;
using MsResampler.Server.Protocol;

namespace MsResampler.Server.Tests.Hosting;

/// <summary>The numbers behind <c>/metrics</c>.</summary>
internal sealed class ServerMetricsTests
{
    private static readonly RequestTimes s_times = new(TimeSpan.FromMicroseconds(1000), TimeSpan.FromMicroseconds(200),
        TimeSpan.FromMicroseconds(30), TimeSpan.FromMicroseconds(700), TimeSpan.FromMicroseconds(4));

    [Test]
    public async Task Requests_and_batches_are_summed()
    {
        ServerMetrics metrics = new();
        metrics.Add("m", () => 7);
        metrics.Succeeded("m", 3, s_times);
        metrics.Succeeded("m", 1, s_times);
        metrics.BatchComputed("m", 4, 2, TimeSpan.FromMilliseconds(2));
        MetricsText text = await ReadAsync(metrics);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(text.Of("nv_inference_request_success", "m"), Is.EqualTo(2));
            Assert.That(text.Of("nv_inference_count", "m"), Is.EqualTo(4));
            Assert.That(text.Of("nv_inference_exec_count", "m"), Is.EqualTo(1));
            Assert.That(text.Of("nv_inference_request_duration_us", "m"), Is.EqualTo(2000));
            Assert.That(text.Of("nv_inference_queue_duration_us", "m"), Is.EqualTo(400));
            Assert.That(text.Of("nv_inference_compute_input_duration_us", "m"), Is.EqualTo(60));
            Assert.That(text.Of("nv_inference_compute_infer_duration_us", "m"), Is.EqualTo(1400));
            Assert.That(text.Of("nv_inference_compute_output_duration_us", "m"), Is.EqualTo(8));
            Assert.That(text.Of("nv_inference_pending_request_count", "m"), Is.EqualTo(7));
            Assert.That(text.Of("msresampler_request_duration_seconds_count", "m"), Is.EqualTo(2));
            Assert.That(text.Of("msresampler_request_duration_seconds_sum", "m"), Is.EqualTo(0.002).Within(1e-12));
            Assert.That(text.Of("msresampler_queue_duration_seconds_bucket", "m", ",le=\"0.0005\""), Is.EqualTo(2));
            Assert.That(text.Of("msresampler_batch_images_bucket", "m", ",le=\"2\""), Is.Zero);
            Assert.That(text.Of("msresampler_batch_images_bucket", "m", ",le=\"4\""), Is.EqualTo(1));
            Assert.That(text.Of("msresampler_batch_requests_sum", "m"), Is.EqualTo(2));
            Assert.That(text.Of("msresampler_request_images_sum", "m"), Is.EqualTo(4));
        }
    }

    [TestCase(ErrorKind.InvalidRequest, "OTHER", "invalid_request")]
    [TestCase(ErrorKind.NotFound, "OTHER", "not_found")]
    [TestCase(ErrorKind.TooLarge, "OTHER", "too_large")]
    [TestCase(ErrorKind.Busy, "REJECTED", "busy")]
    [TestCase(ErrorKind.Unavailable, "OTHER", "unavailable")]
    [TestCase(ErrorKind.DeadlineExceeded, "REJECTED", "deadline_exceeded")]
    [TestCase(ErrorKind.Internal, "BACKEND", "internal")]
    [TestCase(null, "CANCELED", "cancelled")]
    public async Task A_failure_has_the_reason_of_Triton_and_its_kind(object? kind, string reason, string name)
    {
        ServerMetrics metrics = new();
        metrics.Failed("m", (ErrorKind?)kind);
        MetricsText text = await ReadAsync(metrics);
        using (Assert.EnterMultipleScope())
        {
            foreach (string other in (string[])["REJECTED", "CANCELED", "BACKEND", "OTHER"])
            {
                Assert.That(text.Of("nv_inference_request_failure", "m", $",reason=\"{other}\""),
                    Is.EqualTo(other == reason ? 1 : 0), other);
            }

            Assert.That(text.Of("msresampler_request_failures_total", "m", $",kind=\"{name}\""), Is.EqualTo(1));
            Assert.That(text.Of("nv_inference_request_success", "m"), Is.Zero);
        }
    }

    [Test]
    public async Task A_model_without_requests_has_zeros_and_counting_adds_no_series()
    {
        ServerMetrics metrics = new();
        metrics.Add("a", () => 0);
        metrics.Add("b", () => 0);
        MetricsText before = await ReadAsync(metrics);
        metrics.Succeeded("a", 1, s_times);
        metrics.BatchComputed("a", 1, 1, TimeSpan.Zero);
        foreach (ErrorKind kind in Enum.GetValues<ErrorKind>())
            metrics.Failed("b", kind);
        MetricsText after = await ReadAsync(metrics);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(before.Of("nv_inference_exec_count", "b"), Is.Zero);
            Assert.That(after.Series, Is.EquivalentTo(before.Series));
        }
    }

    [Test]
    public async Task Metrics_of_two_servers_are_separate()
    {
        ServerMetrics one = new(), two = new();
        one.Add("m", () => 0);
        two.Add("m", () => 0);
        one.Succeeded("m", 1, s_times);
        Assert.That((await ReadAsync(two)).Of("nv_inference_request_success", "m"), Is.Zero);
    }

    [Test]
    public async Task Counting_from_many_threads_loses_nothing()
    {
        const int ThreadCount = 4, Count = 2500;
        ServerMetrics metrics = new();
        await Task.WhenAll(Enumerable.Range(0, ThreadCount).Select(_ => Task.Run(() =>
        {
            for (int index = 0; index < Count; index++)
                metrics.Succeeded("m", 1, s_times);
        })));
        MetricsText text = await ReadAsync(metrics);
        Assert.That(text.Of("nv_inference_request_success", "m"), Is.EqualTo(ThreadCount * Count));
        Assert.That(text.Of("nv_inference_request_duration_us", "m"), Is.EqualTo(1000.0 * ThreadCount * Count));
    }

    private static async Task<MetricsText> ReadAsync(ServerMetrics metrics)
    {
        using MemoryStream stream = new();
        await metrics.Registry.CollectAndExportAsTextAsync(stream);
        return new MetricsText(Encoding.UTF8.GetString(stream.ToArray()));
    }
}
