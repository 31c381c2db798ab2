using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Net.Client;
using Grpc.Reflection.V1Alpha;
using MsResampler.Server.Grpc.Protocol;

namespace MsResampler.Server.Tests.Hosting;

/// <summary>How a server process stops. A batch that waits a minute for more requests is a request in
/// progress.</summary>
[Parallelizable(ParallelScope.All)]
internal sealed class StopTests : ServerFixture
{
    /// <summary>How long a batch waits for more requests, in milliseconds: longer than a loaded machine needs to notice
    /// that its first request waits.</summary>
    private const string Delay = "5000";

    /// <summary>Less than any wait that these tests give a server, and more than a loaded machine needs to
    /// stop.</summary>
    private static readonly TimeSpan s_soon = TimeSpan.FromSeconds(20);

    [OneTimeSetUp]
    public void NeedSignals() => Skip.If(OperatingSystem.IsWindows(), "Windows has no signals.");

    [Test]
    public async Task Requests_in_progress_have_their_answers_and_the_exit_code_is_0(
        [Values("TERM", "INT", "QUIT", "HUP")] string signal)
    {
        using ServerRun run = StartReady("--batch-delay", Delay);
        Skip.If(IsIgnored(run, signal), "this process was started with signals ignored, as in the background");
        Task<HttpResponseMessage> answer = InferAsync(run.Http);
        WaitUntilPending(run, 1);
        run.Signal(signal);
        using HttpResponseMessage response = await answer;
        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        Assert.That(run.WaitForExit(), Is.EqualTo((0, "")));
    }

    [Test]
    public async Task Requests_that_are_left_after_the_grace_are_answered_with_503_and_the_exit_code_is_1()
    {
        using ServerRun run = StartReady("--batch-delay", "60000", "--grace", "0.5");
        Task<HttpResponseMessage> answer = InferAsync(run.Http);
        WaitUntilPending(run, 1);
        run.Signal("TERM");
        using HttpResponseMessage response = await answer;
        await AssertErrorAsync(response, HttpStatusCode.ServiceUnavailable, "the server is stopping");
        Assert.That(run.WaitForExit().ExitCode, Is.EqualTo(1));
        Assert.That(run.Output, Has.Some.Contains("1 requests had to be cancelled after the grace of 0.5 s"));
    }

    [Test]
    public async Task A_second_signal_ends_the_process_at_once()
    {
        using ServerRun run = StartReady("--batch-delay", "60000", "--grace", "600");
        Task<HttpResponseMessage> answer = InferAsync(run.Http);
        WaitUntilPending(run, 1);
        run.Signal("TERM");
        run.WaitForLine("SIGTERM: stopping");
        long start = Stopwatch.GetTimestamp();
        run.Signal("TERM");
        Assert.That(run.WaitForExit().ExitCode, Is.EqualTo(1));
        Assert.That(Stopwatch.GetElapsedTime(start), Is.LessThan(s_soon));
        await Assert.ThrowsAsync<HttpRequestException>(() => answer);
    }

    [Test]
    public async Task During_the_delay_the_server_is_not_ready_but_answers_and_closes_connections()
    {
        using ServerRun run = StartReady("--shutdown-delay", "3");
        using (HttpResponseMessage before = await InferAsync(run.Http))
            Assert.That(before.Headers.ConnectionClose, Is.Null);
        run.Signal("TERM");
        run.WaitForLine("SIGTERM: stopping");
        using HttpResponseMessage response = await InferAsync(run.Http);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK));
            Assert.That(response.Headers.ConnectionClose, Is.True);
            Assert.That(await StatusAsync(run.Http, Ready), Is.EqualTo(HttpStatusCode.ServiceUnavailable));
            Assert.That(await StatusAsync(run.Http, Live), Is.EqualTo(HttpStatusCode.OK));
        }

        Assert.That(run.WaitForExit(), Is.EqualTo((0, "")));
    }

    [Test]
    public void A_signal_while_a_model_is_loading_ends_the_process()
    {
        string pipe = Path.Combine(Directory.CreateDirectory(In("pipe-model")).FullName, "config.json");
        using (Process make = Process.Start("mkfifo", pipe))
            make.WaitForExit();
        using ServerRun run = ServerRun.Start("--model", In("pipe-model"), "--backend", "cpu");
        run.WaitFor(() => run.Addresses.Count == 2, "the server listens");
        Assert.That(StatusAsync(run.Http, Ready).Result, Is.EqualTo(HttpStatusCode.ServiceUnavailable));
        long start = Stopwatch.GetTimestamp();
        run.StopsCleanly();
        Assert.That(Stopwatch.GetElapsedTime(start), Is.LessThan(s_soon));
    }

    [Test]
    public async Task Connections_without_a_request_do_not_delay_the_end()
    {
        using ServerRun run = StartReady("--grace", "600");
        using TcpClient idle = new(), used = new(), half = new(), idleGrpc = new();
        await idle.ConnectAsync(IPAddress.Loopback, run.Http.Port);
        await idleGrpc.ConnectAsync(IPAddress.Loopback, run.Grpc.Port);
        await used.ConnectAsync(IPAddress.Loopback, run.Http.Port);
        await used.GetStream().WriteAsync("GET /v2/health/live HTTP/1.1\r\nHost: a\r\n\r\n"u8.ToArray());
        Assert.That(await used.GetStream().ReadAsync(new byte[4096]), Is.Positive);
        await half.ConnectAsync(IPAddress.Loopback, run.Http.Port);
        await half.GetStream().WriteAsync("GET /v2/health/live HTTP/1.1\r\nHost"u8.ToArray());
        using HttpClient grpc = new() { DefaultRequestVersion = HttpVersion.Version20 };
        using HttpRequestMessage request = new(HttpMethod.Get, new Uri(run.Grpc, Live))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        using HttpResponseMessage response = await grpc.SendAsync(request);
        Assert.That(response.Version, Is.EqualTo(HttpVersion.Version20));
        long start = Stopwatch.GetTimestamp();
        run.StopsCleanly();
        Assert.That(Stopwatch.GetElapsedTime(start), Is.LessThan(s_soon));
    }

    [Test]
    public async Task Calls_of_gRPC_have_their_answers_and_open_streams_do_not_delay_the_end()
    {
        using ServerRun run = StartReady("--batch-delay", Delay, "--grace", "600");
        using GrpcChannel channel = GrpcChannel.ForAddress(run.Grpc);
        using AsyncServerStreamingCall<HealthCheckResponse> watch = new Health.HealthClient(channel)
            .Watch(new HealthCheckRequest());
        Assert.That(await watch.ResponseStream.MoveNext(CancellationToken.None));
        Assert.That(watch.ResponseStream.Current.Status, Is.EqualTo(HealthCheckResponse.Types.ServingStatus.Serving));
        using var reflection = new ServerReflection.ServerReflectionClient(channel).ServerReflectionInfo();
        await reflection.RequestStream.WriteAsync(new ServerReflectionRequest { ListServices = "" });
        Assert.That(await reflection.ResponseStream.MoveNext(CancellationToken.None));
        using AsyncUnaryCall<ModelInferResponse> call = new GRPCInferenceService.GRPCInferenceServiceClient(channel)
            .ModelInferAsync(GrpcRequest());
        WaitUntilPending(run, 1);
        long start = Stopwatch.GetTimestamp();
        run.Signal("TERM");
        Assert.That(await watch.ResponseStream.MoveNext(CancellationToken.None));
        Assert.That(watch.ResponseStream.Current.Status,
            Is.EqualTo(HealthCheckResponse.Types.ServingStatus.NotServing));
        ModelInferResponse response = await call;
        Assert.That(response.RawOutputContents, Is.Not.Empty);
        Assert.That(run.WaitForExit(), Is.EqualTo((0, "")));
        Assert.That(Stopwatch.GetElapsedTime(start), Is.LessThan(s_soon));
    }

    [Test]
    public async Task A_body_that_does_not_end_is_cut_off_after_the_grace()
    {
        using ServerRun run = StartReady("--grace", "0.5");
        using TcpClient slow = new();
        await slow.ConnectAsync(IPAddress.Loopback, run.Http.Port);
        await slow.GetStream().WriteAsync(Encoding.ASCII.GetBytes(
            $"POST {Infer} HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{{"));
        run.WaitFor(() => MetricsAsync(run.Http).Result["msresampler_requests_in_progress"] >= 1, "the body is read");
        long start = Stopwatch.GetTimestamp();
        run.Signal("TERM");
        Assert.That(run.WaitForExit().ExitCode, Is.EqualTo(1));
        Assert.That(Stopwatch.GetElapsedTime(start), Is.LessThan(s_soon));
    }

    [Test]
    public async Task A_signal_under_load_loses_no_request()
    {
        const int ClientCount = 8;
        using ServerRun run = StartReady("--shutdown-delay", "1", "--batch-size", "4");
        int answeredCount = 0;
        List<string> wrong = [];
        Task[] clients = [.. Enumerable.Range(0, ClientCount).Select(_ => Task.Run(SendUntilRefusedAsync))];
        SpinWait.SpinUntil(() => Volatile.Read(ref answeredCount) >= 10 * ClientCount, ServerRun.Patience);
        run.Signal("TERM");
        run.WaitForLine("SIGTERM: stopping");
        int before = Volatile.Read(ref answeredCount);
        await Task.WhenAll(clients);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(run.WaitForExit(), Is.EqualTo((0, "")));
            Assert.That(wrong, Is.Empty);
            Assert.That(run.Output, Has.Some.EndsWith($"stopped after {answeredCount} requests"));
            Assert.That(answeredCount, Is.GreaterThan(before), "the server answers during the delay");
        }

        async Task SendUntilRefusedAsync()
        {
            using HttpClient client = new() { Timeout = ServerRun.Patience };
            while (true)
            {
                try
                {
                    using HttpResponseMessage response = await client.PostAsync(new Uri(run.Http, Infer),
                        new StringContent(Body, Encoding.UTF8, "application/json"));
                    string text = await response.Content.ReadAsStringAsync();
                    if (response.StatusCode != HttpStatusCode.OK)
                        Add($"{response.StatusCode}: {text}");
                    Interlocked.Increment(ref answeredCount);
                }
                catch (HttpRequestException exception) when (IsOfNewConnection(exception))
                {
                    return;
                }
                catch (Exception exception)
                {
                    Add(exception.ToString());
                    return;
                }
            }
        }

        void Add(string what)
        {
            lock (wrong)
                wrong.Add(what);
        }

        // The system refuses connections that come after the end of listening, and resets those that the server has not
        // accepted before it. The server closes those whose request it has not begun to read. A request that it has
        // read would be missing in its number of requests.
        static bool IsOfNewConnection(HttpRequestException exception)
            => exception.HttpRequestError == HttpRequestError.ConnectionError
                || exception.GetBaseException() is SocketException { SocketErrorCode: SocketError.ConnectionReset }
                    or HttpIOException { HttpRequestError: HttpRequestError.ResponseEnded };
    }

    [Test]
    public async Task After_nohup_HUP_is_ignored()
    {
        using ServerRun run = ServerRun.StartIn(new ServerRun.Surroundings { Before = "trap '' HUP" },
            [.. ModelArguments, "--http", "0", "--grpc", "0", "--address", "127.0.0.1"]);
        run.WaitUntilReady();
        run.Signal("HUP");
        using HttpResponseMessage response = await InferAsync(run.Http);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK));
            Assert.That(await StatusAsync(run.Http, Ready), Is.EqualTo(HttpStatusCode.OK));
        }

        run.StopsCleanly();
    }

    private static ModelInferRequest GrpcRequest()
    {
        int width = Configs.Mixed.VisionHiddenSize;
        ModelInferRequest request = new() { ModelName = "m" };
        request.Inputs.Add(new ModelInferRequest.Types.InferInputTensor
        {
            Name = "features",
            Datatype = "FP32",
            Shape = { 1, width },
            Contents = new InferTensorContents { Fp32Contents = { new float[width] } },
        });
        request.Inputs.Add(new ModelInferRequest.Types.InferInputTensor
        {
            Name = "grids",
            Datatype = "INT32",
            Shape = { 1, 2 },
            Contents = new InferTensorContents { IntContents = { 1, 1 } },
        });
        return request;
    }

    private static bool IsIgnored(ServerRun run, string signal)
    {
        if (!OperatingSystem.IsLinux())
            return false;
        int number = signal switch { "HUP" => 1, "INT" => 2, "QUIT" => 3, _ => 15 };
        string mask = File.ReadLines($"/proc/{run.Process.Id}/status")
            .First(line => line.StartsWith("SigIgn:", StringComparison.Ordinal))["SigIgn:".Length..].Trim();
        return ((Convert.ToUInt64(mask, 16) >> (number - 1)) & 1) != 0;
    }
}
