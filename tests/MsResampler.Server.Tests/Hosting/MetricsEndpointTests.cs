using System.Net;

namespace MsResampler.Server.Tests.Hosting;

/// <summary>The path <c>/metrics</c> after known requests.</summary>
internal sealed class MetricsEndpointTests : ServerFixture
{
    [Test]
    public async Task Metrics_count_known_requests()
    {
        await using RunningServer server = await RunningServer.StartAsync(Settings());
        foreach (int imageCount in (int[])[1, 8, 1])
        {
            using HttpResponseMessage response = await InferAsync(server.Http, BodyOf(imageCount));
            Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        }

        using (HttpResponseMessage wrong = await InferAsync(server.Http, "{}"))
            Assert.That(wrong.StatusCode, Is.EqualTo(HttpStatusCode.BadRequest));
        MetricsText text = await MetricsAsync(server.Http);
        double total = text.Of("nv_inference_request_duration_us", "m"),
            queue = text.Of("nv_inference_queue_duration_us", "m"),
            infer = text.Of("nv_inference_compute_infer_duration_us", "m");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(text.Of("nv_inference_request_success", "m"), Is.EqualTo(3));
            Assert.That(text.Of("nv_inference_count", "m"), Is.EqualTo(10));
            Assert.That(text.Of("nv_inference_exec_count", "m"), Is.EqualTo(3));
            Assert.That(text.Of("nv_inference_request_failure", "m", ",reason=\"OTHER\""), Is.EqualTo(1));
            Assert.That(text.Of("msresampler_request_failures_total", "m", ",kind=\"invalid_request\""),
                Is.EqualTo(1));
            Assert.That(text.Of("nv_inference_pending_request_count", "m"), Is.Zero);
            Assert.That(infer, Is.Positive);
            Assert.That(total, Is.GreaterThanOrEqualTo(queue + infer));
            Assert.That(text.Of("msresampler_batch_images_sum", "m"), Is.EqualTo(10));
            Assert.That(text.Of("msresampler_model_ready", "m"), Is.EqualTo(1));
            Assert.That(text["msresampler_request_memory_used_bytes"], Is.Zero);
            Assert.That(text["msresampler_request_memory_capacity_bytes"], Is.Positive);
            Assert.That(text["msresampler_requests_in_progress"], Is.Zero);
        }
    }

    [Test]
    public async Task Metrics_of_the_process_are_plausible()
    {
        await using RunningServer server = await RunningServer.StartAsync(Settings());
        MetricsText text = await MetricsAsync(server.Http);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(text["process_resident_memory_bytes"], Is.InRange(1 << 20, 1L << 40));
            Assert.That(text["process_cpu_seconds_total"], Is.Positive);
            Assert.That(text["process_start_time_seconds"],
                Is.InRange(0, DateTimeOffset.UtcNow.AddMinutes(1).ToUnixTimeSeconds()));
            Assert.That(text["process_threads"], Is.Positive);
            Assert.That(text["dotnet_gc_heap_bytes"], Is.Positive);
            Assert.That(text["dotnet_gc_collections_total{generation=\"0\"}"], Is.Not.Negative);
            Assert.That(text["dotnet_threadpool_threads"], Is.Positive);
        }
    }

    [Test]
    public async Task Names_of_clients_do_not_become_labels()
    {
        await using RunningServer server = await RunningServer.StartAsync(Settings());
        MetricsText before = await MetricsAsync(server.Http);
        for (int index = 0; index < 20; index++)
        {
            using HttpResponseMessage response = await Client.PostAsync(
                new Uri(server.Http, $"/v2/models/unknown-{index}/infer"), new StringContent(Body));
            Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.NotFound));
            await StatusAsync(server.Http, $"/unknown-{index}");
        }

        Assert.That((await MetricsAsync(server.Http)).Series, Is.EquivalentTo(before.Series));
    }

    [TestCase("HEAD", HttpStatusCode.OK, "")]
    [TestCase("POST", HttpStatusCode.MethodNotAllowed,
        "{\"error\":\"expected the method GET for this path, found 'POST'\"}")]
    public async Task Other_methods_are_answered_as_on_other_paths(string method, HttpStatusCode status, string body)
    {
        await using RunningServer server = await RunningServer.StartAsync(Settings());
        using HttpRequestMessage request = new(new HttpMethod(method), new Uri(server.Http, "/metrics"));
        using HttpResponseMessage response = await Client.SendAsync(request);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(response.StatusCode, Is.EqualTo(status));
            Assert.That(await response.Content.ReadAsStringAsync(), Is.EqualTo(body));
        }
    }

    [Test]
    public async Task The_format_is_that_of_Prometheus()
    {
        await using RunningServer server = await RunningServer.StartAsync(Settings());
        using HttpResponseMessage response = await Client.GetAsync(new Uri(server.Http, "/metrics"));
        string[] lines = (await response.Content.ReadAsStringAsync()).Split('\n');
        using (Assert.EnterMultipleScope())
        {
            Assert.That(response.Content.Headers.ContentType!.ToString(),
                Is.EqualTo("text/plain; version=0.0.4; charset=utf-8"));
            Assert.That(lines, Has.Exactly(1).EqualTo("# TYPE nv_inference_request_success counter"));
            Assert.That(lines, Has.Exactly(1).EqualTo("# TYPE msresampler_queue_duration_seconds histogram"));
            Assert.That(lines.Where(line => line.Length > 0 && line[0] != '#'),
                Has.All.Matches("""^[a-z_]+(\{([a-z_]+="[^"\\]*",?)+\})? [-+0-9.e]+$"""));
        }
    }
}
