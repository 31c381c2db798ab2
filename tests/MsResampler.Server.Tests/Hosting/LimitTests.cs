using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using MsResampler.Server.Hosting;

namespace MsResampler.Server.Tests.Hosting;

/// <summary>Clients that are slow, greedy or wrong, over plain sockets.</summary>
[Parallelizable(ParallelScope.All)]
internal sealed class LimitTests : ServerFixture
{
    /// <summary>The longest time that a slow client keeps its connection: the limit for headers, or the grace for
    /// bodies and answers, with seconds for a timer that ticks once a second and for a loaded machine.</summary>
    private static readonly TimeSpan s_slowLimit = TimeSpan.FromSeconds(15 + 15);

    [Test]
    public async Task Slow_clients_lose_their_connections_and_the_others_are_served()
    {
        await using RunningServer server = await RunningServer.StartAsync(Settings());
        using TcpClient headers = await ConnectAsync(server), body = await ConnectAsync(server),
            reader = await ConnectAsync(server);
        Task[] slow =
        [
            EndsAsync(headers, async stream =>
            {
                await SendAsync(stream, "GET /v2 HTTP/1.1\r\n");
                for (int index = 0; ; index++)
                {
                    await SendAsync(stream, $"X-{index}: a\r\n");
                    await Task.Delay(TimeSpan.FromSeconds(1));
                }
            }),
            EndsAsync(body, async stream =>
            {
                await SendAsync(stream, $"POST {Infer} HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n{{");
                while (true)
                {
                    await SendAsync(stream, " ");
                    await Task.Delay(TimeSpan.FromSeconds(1));
                }
            }),
            ServesOthersAsync(server, s_slowLimit / 2),
        ];
        await Task.WhenAll(slow).WaitAsync(s_slowLimit);
        Assert.That(await StatusAsync(server.Http, Ready), Is.EqualTo(HttpStatusCode.OK));
    }

    [Test]
    public async Task A_client_that_does_not_read_its_answer_loses_its_connection()
    {
        await using RunningServer server = await RunningServer.StartAsync(Settings());
        // Flow control stops the answer after the first 64 KiB: buffers of the system do not hide the slow reader.
        using HttpClient client = new(new SocketsHttpHandler { InitialHttp2StreamWindowSize = 65_535 });
        using HttpRequestMessage request = new(HttpMethod.Post, new Uri(server.Grpc, Infer))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new StringContent(BodyOf(imageCount: 256)),
        };
        using HttpResponseMessage response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        Assert.That(await RequestCountAsync(), Is.EqualTo(1));
        // 16 KiB per second after the grace, for numbers of at most 16 characters.
        int size = 256 * Configs.Mixed.QueryGrid.QueryCount * Configs.Mixed.OutputSize * 16;
        TimeSpan limit = TimeSpan.FromSeconds(size / 16_384.0) + s_slowLimit;
        long start = Stopwatch.GetTimestamp();
        while (await RequestCountAsync() > 0 && Stopwatch.GetElapsedTime(start) < limit)
            await Task.Delay(100);
        Assert.That(await RequestCountAsync(), Is.Zero);
        await Assert.ThatAsync(() => response.Content.ReadAsStringAsync(), Throws.InstanceOf<Exception>());

        async Task<double> RequestCountAsync() => (await MetricsAsync(server.Http))["msresampler_requests_in_progress"];
    }

    [Test]
    public async Task Large_headers_and_request_lines_are_refused()
    {
        await using RunningServer server = await RunningServer.StartAsync(Settings());
        string manyHeaders = string.Concat(Enumerable.Range(0, 70).Select(index => $"X-{index}: a\r\n"));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(await AnswerAsync(server, $"GET {Live} HTTP/1.1\r\nHost: a\r\n{manyHeaders}\r\n"),
                Does.StartWith("HTTP/1.1 431 "));
            Assert.That(await AnswerAsync(server,
                $"GET {Live} HTTP/1.1\r\nHost: a\r\nX: {new string('a', 20_000)}\r\n\r\n"),
                Does.StartWith("HTTP/1.1 431 "));
            Assert.That(await AnswerAsync(server, $"GET /{new string('a', 10_000)} HTTP/1.1\r\nHost: a\r\n\r\n"),
                Does.StartWith("HTTP/1.1 414 "));
            Assert.That(await AnswerAsync(server, "nonsense\r\n\r\n"), Does.StartWith("HTTP/1.1 400 "));
            Assert.That(await AnswerAsync(server, $"GET {Live} HTTP/1.1\r\n\r\n"), Does.StartWith("HTTP/1.1 400 "));
            Assert.That(await AnswerAsync(server, $"GET {Live} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
                Does.StartWith("HTTP/1.1 200 ").And.Not.Contain("Server:"));
        }
    }

    [Test]
    public async Task Connections_above_the_limit_are_closed_and_places_become_free()
    {
        const int Limit = 4;
        ServerSettings settings = Settings();
        settings.MaxConnections = Limit;
        await using RunningServer server = await RunningServer.StartAsync(settings);
        List<TcpClient> open = [];
        for (int index = 0; index < Limit; index++)
        {
            TcpClient client = await ConnectAsync(server);
            open.Add(client);
            await SendAsync(client.GetStream(), $"GET {Live} HTTP/1.1\r\nHost: a\r\n\r\n");
            Assert.That(await client.GetStream().ReadAsync(new byte[4096]), Is.Positive);
        }

        for (int index = 0; index < 3 * Limit; index++)
        {
            using TcpClient refused = await ConnectAsync(server);
            Assert.That(await ReadToEndAsync(refused), Is.Empty);
        }

        open.ForEach(client => client.Dispose());
        long start = Stopwatch.GetTimestamp();
        string answer = "";
        while (answer.Length == 0 && Stopwatch.GetElapsedTime(start) < ServerRun.Patience)
            answer = await AnswerAsync(server, $"GET {Live} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        Assert.That(answer, Does.StartWith("HTTP/1.1 200 "));
    }

    private async Task ServesOthersAsync(RunningServer server, TimeSpan time)
    {
        long start = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(start) < time)
        {
            using HttpResponseMessage response = await InferAsync(server.Http);
            Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK));
            await Task.Delay(100);
        }
    }

    /// <summary>Sends forever, and ends when the server has closed the connection.</summary>
    private static async Task EndsAsync(TcpClient client, Func<NetworkStream, Task> send)
    {
        Task sending = send(client.GetStream());
        await ReadToEndAsync(client);
        client.Close();
        await Assert.ThatAsync(() => sending, Throws.InstanceOf<Exception>());
    }

    private static async Task<TcpClient> ConnectAsync(RunningServer server)
    {
        TcpClient client = new();
        await client.ConnectAsync(IPAddress.Loopback, server.Http.Port);
        return client;
    }

    private static async Task<string> AnswerAsync(RunningServer server, string request)
    {
        using TcpClient client = await ConnectAsync(server);
        try
        {
            await SendAsync(client.GetStream(), request);
        }
        catch (IOException)
        {
            return ""; // the server has closed the connection
        }

        return await ReadToEndAsync(client);
    }

    private static Task SendAsync(NetworkStream stream, string text)
        => stream.WriteAsync(Encoding.ASCII.GetBytes(text)).AsTask();

    /// <summary>What the server sends until it closes the connection, or resets it.</summary>
    private static async Task<string> ReadToEndAsync(TcpClient client)
    {
        byte[] buffer = new byte[4096];
        StringBuilder text = new();
        try
        {
            while (await client.GetStream().ReadAsync(buffer).AsTask().WaitAsync(s_slowLimit) is var count and > 0)
                text.Append(Encoding.ASCII.GetString(buffer, 0, count));
        }
        catch (IOException)
        {
            // Reset, after the server has closed it while there were unread bytes.
        }

        return text.ToString();
    }
}
