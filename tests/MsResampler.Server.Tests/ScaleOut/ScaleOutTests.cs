using System.Collections.Concurrent;
using System.Diagnostics;
using Grpc.Core;
using Grpc.Net.Client;
using MsResampler.Server.Grpc.Protocol;
using MsResampler.Server.Tests.Hosting;

namespace MsResampler.Server.Tests.ScaleOut;

/// <summary>Several servers behind nginx with <c>deploy/nginx.conf</c>.</summary>
[NonParallelizable]
public sealed class ScaleOutTests
{
    private const int ClientCount = 8;

    /// <summary>Requests wait this long for others, so that every server has some in progress when it is
    /// killed.</summary>
    private static readonly string[] s_options = ["--batch-delay", "15", "--batch-size", "64"];

    private static readonly TimeSpan s_phase = TimeSpan.FromSeconds(1.5);
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(60);

    /// <summary>nginx passes a REST request whose server ends to another one.</summary>
    [TestCase(2)]
    [TestCase(3)]
    public async Task Every_REST_request_is_answered_while_a_server_is_killed_and_comes_back(int count)
    {
        await using Site site = await Site.StartAsync(count, s_options);
        using CancellationTokenSource limit = new(s_limit);
        using CancellationTokenSource end = new();
        ConcurrentBag<string> problems = [];
        int answerCount = 0;
        Task load = Task.WhenAll(Enumerable.Range(0, ClientCount).Select(client => Task.Run(async () =>
        {
            for (int number = client; !end.IsCancellationRequested; number++)
            {
                if (await site.CallRestAsync(number, limit.Token) is { } problem)
                    problems.Add(problem);
                Interlocked.Increment(ref answerCount);
            }
        }, limit.Token)));

        await Task.Delay(s_phase);
        int[] shares = await site.SuccessCountsAsync();
        ServerRun killed = site.Replicas[0];
        Kill(killed);
        int before = answerCount;
        await Task.Delay(s_phase);
        int without = answerCount - before;
        site.Replicas[0] = await site.StartReplicaAsync(killed);
        killed.Dispose();
        Stopwatch waited = Stopwatch.StartNew();
        while ((await site.SuccessCountsAsync())[0] == 0 && waited.Elapsed < s_limit / 2)
            await Task.Delay(50);
        int comeBack = (await site.SuccessCountsAsync())[0];
        await end.CancelAsync();
        await load;

        TestContext.Out.WriteLine($"{answerCount} answers; {string.Join(", ", shares)} before the kill");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(problems, Is.Empty);
            Assert.That(shares.Min(), Is.GreaterThan(shares.Sum() / (3 * count)), "the load is spread");
            Assert.That(without, Is.GreaterThan(ClientCount), "the others answer");
            Assert.That(comeBack, Is.Positive, "the new server gets requests");
        }
    }

    /// <summary>nginx does not keep the messages of gRPC, so that the calls in progress of the killed server fail: at
    /// most one for each client, with the status that tells it to try again.</summary>
    [Test]
    public async Task Only_gRPC_calls_in_progress_fail_and_another_try_gets_the_same_bits()
    {
        await using Site site = await Site.StartAsync(2, s_options);
        using CancellationTokenSource end = new();
        ConcurrentBag<StatusCode> failures = [];
        ConcurrentBag<string> problems = [];
        Task load = Task.WhenAll(Enumerable.Range(0, ClientCount).Select(client => Task.Run(async () =>
        {
            using GrpcChannel channel = GrpcChannel.ForAddress(site.Balancer.Grpc);
            GRPCInferenceService.GRPCInferenceServiceClient inference = new(channel);
            for (int number = client; !end.IsCancellationRequested; number++)
            {
                for (int attempt = 0; attempt < 2; attempt++)
                {
                    try
                    {
                        ModelInferResponse answer = await inference.ModelInferAsync(site.GrpcRequest(number),
                            deadline: DateTime.UtcNow + s_limit / 3);
                        if (!site.IsRight(number, answer))
                            problems.Add("other bits");
                        break;
                    }
                    catch (RpcException exception) when (attempt == 0)
                    {
                        failures.Add(exception.StatusCode);
                    }
                    catch (RpcException exception)
                    {
                        problems.Add(exception.Message);
                    }
                }
            }
        })));

        await Task.Delay(s_phase);
        int[] shares = await site.SuccessCountsAsync();
        Kill(site.Replicas[0]);
        await Task.Delay(s_phase);
        await end.CancelAsync();
        await load;
        TestContext.Out.WriteLine($"failures: {string.Join(", ", failures)}; shares: {string.Join(", ", shares)}");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(problems, Is.Empty);
            Assert.That(failures, Has.Count.LessThanOrEqualTo(ClientCount).And.All.EqualTo(StatusCode.Unavailable));
            Assert.That(shares.Min(), Is.GreaterThan(shares.Sum() / 6), "the load is spread");
        }
    }

    [Test]
    public async Task Without_any_server_the_answer_is_JSON_and_says_when_to_try_again()
    {
        await using Site site = await Site.StartAsync(2, s_options);
        site.Replicas.ForEach(Kill);
        using HttpClient client = new();
        using HttpResponseMessage answer = await client.GetAsync(new Uri(site.Balancer.Http, "/v2"));
        string body = await answer.Content.ReadAsStringAsync();
        using (Assert.EnterMultipleScope())
        {
            Assert.That((int)answer.StatusCode, Is.EqualTo(503));
            Assert.That(body, Is.EqualTo("{\"error\":\"no server answers; try again later\"}"));
            Assert.That(answer.Headers.RetryAfter?.Delta, Is.EqualTo(TimeSpan.FromSeconds(1)));
        }
    }

    [Test]
    public async Task Metrics_are_not_for_the_outside()
    {
        await using Site site = await Site.StartAsync(1, s_options);
        using HttpClient client = new();
        using HttpResponseMessage answer = await client.GetAsync(new Uri(site.Balancer.Http, "/metrics"));
        Assert.That((int)answer.StatusCode, Is.EqualTo(404));
    }

    /// <summary>Ends a process at once, as the system does when it lacks memory.</summary>
    private static void Kill(ServerRun replica)
    {
        replica.Signal("KILL");
        replica.WaitForExit();
    }
}
