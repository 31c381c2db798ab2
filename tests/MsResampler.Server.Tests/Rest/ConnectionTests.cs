using System.Net;
using System.Net.Sockets;
using System.Text;
using MsResampler.Server.Limits;

namespace MsResampler.Server.Tests.Rest;

/// <summary>Connections: what follows an error, bodies of wrong lengths, slow clients and clients that go
/// away.</summary>
internal sealed class ConnectionTests : RestFixture
{
    private static readonly string s_goodLength = $"Content-Length: {Good.Length}";

    [Test]
    public async Task AConnectionAnswersAfterAnError()
    {
        string text = await SendRawAsync([Http("{\"inputs\":1}", "Content-Length: 12"),
            Http(Good, s_goodLength, "Content-Encoding: br"), Http(Good, s_goodLength)], answerCount: 3);
        Assert.That(StatusesOf(text), Is.EqualTo(new[] { 400, 415, 200 }), text);
    }

    [Test]
    public async Task ABodyMayArriveByteByByte()
    {
        byte[] request = Http(Good, s_goodLength);
        string text = await SendRawAsync(request.Select(value => new[] { value }), answerCount: 1);
        Assert.That(StatusesOf(text), Is.EqualTo(new[] { 200 }), text);
    }

    [Test]
    public async Task AChunkedBodyIsRead()
    {
        string body = string.Concat(Good.Chunk(7).Select(piece => $"{piece.Length:x}\r\n{new string(piece)}\r\n"));
        string text = await SendRawAsync([Http(body + "0\r\n\r\n", "Transfer-Encoding: chunked")], answerCount: 1);
        Assert.That(StatusesOf(text), Is.EqualTo(new[] { 200 }), text);
    }

    [Test]
    public async Task AWrongChunkIs400()
    {
        string text = await SendRawAsync([Http("xyz\r\n", "Transfer-Encoding: chunked")], answerCount: 1);
        Assert.That(StatusesOf(text), Is.EqualTo(new[] { 400 }), text);
        Assert.That(text, Does.Contain("{\"error\":\"the body does not have the form"));
    }

    [Test]
    public async Task AConnectionThatEndsWithinABodyIsClosedWithoutAnAnswer()
    {
        // The web server answers nobody who has closed their side of the connection.
        string text = await SendRawAsync([Http(Good[..50], s_goodLength)], answerCount: 1, halfClose: true);
        Assert.That(text, Is.Empty);
        Assert.That((int)(await SendAsync(Good)).Status, Is.EqualTo(200));
    }

    [Test]
    public async Task ALengthAboveTheLimitIs413BeforeTheBodyIsSent()
    {
        string text = await SendRawAsync([Http("", "Content-Length: 1048577", "Expect: 100-continue")], answerCount: 1);
        Assert.That(StatusesOf(text), Is.EqualTo(new[] { 413 }), text);
        Assert.That(text, Does.Contain("at most 1048576 bytes, found 1048577").And.Contains("Connection: close"));
    }

    [Test]
    public async Task AChunkedBodyAboveTheLimitIs413WhileItArrives()
    {
        byte[] chunk = Encoding.ASCII.GetBytes("10000\r\n" + new string(' ', 0x10000) + "\r\n");
        string text = await SendRawAsync([Http("", "Transfer-Encoding: chunked"), .. Enumerable.Repeat(chunk, 17)],
            answerCount: 1);
        Assert.That(StatusesOf(text), Is.EqualTo(new[] { 413 }), text);
        Assert.That(text, Does.Contain("larger than the server accepts").And.Contains("Connection: close"));
    }

    [Test]
    public async Task AClientThatGoesAwayFreesItsMemory([Values(1, 60, 200)] int sent)
    {
        for (int round = 0; round < 10; round++)
        {
            using TcpClient connection = new();
            await connection.ConnectAsync(IPAddress.Loopback, Server.Http.Port);
            byte[] request = Http(Good[..Math.Min(sent, Good.Length - 1)], s_goodLength);
            await connection.GetStream().WriteAsync(request);
            connection.LingerState = new LingerOption(round % 2 == 0, 0);
        }

        Answer answer = await SendAsync(Good);
        Assert.That((int)answer.Status, Is.EqualTo(200));
    }

    [Test]
    public async Task FullMemoryIs429WithATimeToWait()
    {
        MemoryBudget budget = (MemoryBudget)
            Server.Application.Services.GetService(typeof(MemoryBudget))!;
        using MemoryLease other = budget.Open();
        other.Grow(budget.Capacity);
        Answer answer = await SendAsync(Good);
        AssertError(answer, 429, "memory");
        Assert.That(answer.RetryAfter, Is.EqualTo("1"));
    }

    [Test]
    public async Task FailuresOfAModelThatExistsAreCounted()
    {
        long before = await CountFailuresAsync();
        await SendAsync("{");
        using HttpRequestMessage encoded = new(HttpMethod.Post, InferPath) { Content = new StringContent(Good) };
        encoded.Content.Headers.ContentEncoding.Add("gzip");
        await SendAsync(encoded);
        await SendAsync(Good);
        await SendAsync(Encoding.UTF8.GetBytes(Good), path: "/v2/models/none/infer");
        Assert.That(await CountFailuresAsync() - before, Is.EqualTo(2));
    }

    [Test]
    public async Task AServerThatStopsIsNotReady()
    {
        Server.Models.IsDraining = true;
        try
        {
            using HttpRequestMessage request = new(HttpMethod.Get, "/v2/models/small/ready");
            Answer answer = await SendAsync(request);
            Assert.That((int)answer.Status, Is.EqualTo(503));
            Assert.That(answer.Text, Is.EqualTo("{\"name\":\"small\",\"ready\":false}"));
            Assert.That((int)(await SendAsync(Good)).Status, Is.EqualTo(200));
        }
        finally
        {
            Server.Models.IsDraining = false;
        }
    }

    [Test]
    public async Task RestIsOnThePortOfGrpcToo()
    {
        using HttpClient client = new() { BaseAddress = Server.Grpc, Timeout = Patience };
        using HttpRequestMessage request = new(HttpMethod.Post, InferPath)
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new StringContent(Good),
        };
        using HttpResponseMessage response = await client.SendAsync(request);
        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        Assert.That(await response.Content.ReadAsStringAsync(), Is.EqualTo((await SendAsync(Good)).Text));
    }

    private async Task<long> CountFailuresAsync()
    {
        string metrics = await Client.GetStringAsync("/metrics");
        Assert.That(metrics, Does.Not.Contain("none"));
        return metrics.Split('\n').Where(line => line.StartsWith("nv_inference_request_failure{"))
            .Sum(line => long.Parse(line[(line.LastIndexOf(' ') + 1)..]));
    }

    private static int[] StatusesOf(string text)
        => [.. text.Split("HTTP/1.1 ").Skip(1).Select(part => int.Parse(part[..3]))];
}
