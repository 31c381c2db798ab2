using System.Collections.Concurrent;
using System.Net;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using MsResampler.Server.Hosting;

namespace MsResampler.Server.Tests.Hosting;

/// <summary>Traces reach a collector, if the variables of OpenTelemetry name one.</summary>
internal sealed class TracingTests : ServerFixture
{
    private const string TraceId = "0af7651916cd43dd8448eb211c80319c";
    private const string ParentId = "b7ad6b7169203331";

    [Test]
    public async Task A_request_and_its_batch_are_spans_that_are_linked()
    {
        ConcurrentQueue<byte[]> received = [];
        await using WebApplication collector = await StartCollectorAsync(received);
        using ServerRun run = ServerRun.StartIn(new ServerRun.Surroundings
        {
            Variables =
            [
                ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.Urls.First()),
                ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"), ("OTEL_SERVICE_NAME", "photos-of-a-shop"),
            ],
        }, [.. ModelArguments, "--http", "0", "--grpc", "0", "--address", "127.0.0.1"]);
        run.WaitUntilReady();
        await StatusAsync(run.Http, Ready);
        await MetricsAsync(run.Http);
        using (HttpRequestMessage request = new(HttpMethod.Post, new Uri(run.Http, Infer)))
        {
            request.Content = new StringContent(Body, Encoding.UTF8, "application/json");
            request.Headers.Add("traceparent", $"00-{TraceId}-{ParentId}-01");
            using HttpResponseMessage response = await Client.SendAsync(request);
            Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        }

        run.StopsCleanly();
        Span[] spans = [.. received.SelectMany(SpanReader.Read)];
        Span server = spans.Single(span => span.ParentId == ParentId);
        Span batch = spans.Single(span => span is { Name: "batch", Links.Count: > 0 });
        using (Assert.EnterMultipleScope())
        {
            Assert.That(server.TraceId, Is.EqualTo(TraceId));
            Assert.That(server.Name, Does.StartWith("POST"));
            Assert.That(batch.Links, Is.EqualTo([TraceId]));
            Assert.That(spans, Has.Some.Matches<Span>(span => span?.ParentId == batch.SpanId), "the engine's");
            Assert.That(spans.Select(span => span.Name), Has.None.Contains("health").And.None.Contains("metrics"));
            Assert.That(received.Select(Encoding.UTF8.GetString), Has.All.Contains("photos-of-a-shop"));
        }
    }

    [Test]
    public async Task A_collector_that_is_not_there_changes_nothing()
    {
        using ServerRun run = ServerRun.StartIn(new ServerRun.Surroundings
        {
            Variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")],
        }, [.. ModelArguments, "--http", "0", "--grpc", "0", "--address", "127.0.0.1"]);
        run.WaitUntilReady();
        using HttpResponseMessage response = await InferAsync(run.Http);
        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        run.StopsCleanly();
    }

    [Test]
    public void An_unknown_exporter_is_an_error()
    {
        using ServerRun run = ServerRun.StartIn(new ServerRun.Surroundings
        {
            Variables = [("OTEL_TRACES_EXPORTER", "jaeger")],
        }, ModelArguments);
        run.FailsNaming("OTEL_TRACES_EXPORTER: expected otlp or none, found 'jaeger'");
    }

    [TestCase(null, null, false)]
    [TestCase("otlp", "http://a", false, "TRUE")]
    [TestCase("", "", false)]
    [TestCase("none", "http://a", false)]
    [TestCase("otlp", null, true)]
    [TestCase(null, "http://a", true)]
    public void Traces_need_a_variable(string? exporter, string? endpoint, bool isWanted, string? isDisabled = null)
    {
        Microsoft.Extensions.Configuration.ConfigurationManager variables = new();
        variables["OTEL_TRACES_EXPORTER"] = exporter;
        variables["OTEL_SDK_DISABLED"] = isDisabled;
        variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoint;
        Assert.That(Tracing.IsWanted(variables), Is.EqualTo(isWanted));
    }

    private static async Task<WebApplication> StartCollectorAsync(ConcurrentQueue<byte[]> received)
    {
        WebApplication collector = WebApplication.CreateSlimBuilder().Build();
        collector.Urls.Add("http://127.0.0.1:0");
        collector.MapPost("/v1/traces", async (HttpContext context) =>
        {
            using MemoryStream body = new();
            await context.Request.Body.CopyToAsync(body);
            received.Enqueue(body.ToArray());
            context.Response.StatusCode = (int)HttpStatusCode.OK;
        });
        await collector.StartAsync();
        return collector;
    }
}
