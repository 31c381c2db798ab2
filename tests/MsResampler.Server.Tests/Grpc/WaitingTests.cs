using System.Text;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.Extensions.DependencyInjection;
using MsResampler.Server.Grpc.Protocol;
using MsResampler.Server.Hosting;
using MsResampler.Server.Metrics;
using MsResampler.Server.Tests.Hosting;

namespace MsResampler.Server.Tests.Grpc;

/// <summary>Requests that wait. The model waits for a full batch that never comes, and its queue has one
/// place.</summary>
internal sealed class WaitingTests : GrpcFixture
{
    protected override void Configure(ServerSettings settings)
        => (settings.BatchSize, settings.BatchDelay, settings.QueueSize) = (8, 600_000, 1);

    [Test, CancelAfter(30_000)]
    public async Task A_full_queue_is_an_error_with_the_time_to_wait(CancellationToken token)
    {
        using CancellationTokenSource end = CancellationTokenSource.CreateLinkedTokenSource(token);
        using AsyncUnaryCall<ModelInferResponse> waiting = await OccupyAsync(end.Token);
        RpcException failure = await FailsAsync(
            async () => await Client.ModelInferAsync(Small(), cancellationToken: token), StatusCode.ResourceExhausted);
        string? seconds = failure.Trailers.GetValue("retry-after");
        Assert.That(int.Parse(seconds!, System.Globalization.CultureInfo.InvariantCulture), Is.InRange(1, 30));
        Assert.That(failure.Trailers.GetValue("grpc-retry-pushback-ms"), Is.EqualTo($"{seconds}000"));
        await end.CancelAsync();
    }

    [Test, CancelAfter(30_000)]
    public async Task A_cancelled_request_frees_its_place(CancellationToken token)
    {
        for (int round = 0; round < 3; round++)
        {
            using CancellationTokenSource end = CancellationTokenSource.CreateLinkedTokenSource(token);
            using AsyncUnaryCall<ModelInferResponse> waiting = await OccupyAsync(end.Token);
            await end.CancelAsync();
            await FailsAsync(async () => await waiting, StatusCode.Cancelled);
            await Wait_for_an_empty_queue();
        }
    }

    [Test, CancelAfter(30_000)]
    public async Task A_request_past_its_deadline_fails_and_frees_its_place(CancellationToken token)
    {
        for (int round = 0; round < 3; round++)
        {
            using AsyncUnaryCall<ModelInferResponse> waiting
                = Client.ModelInferAsync(Small(), deadline: DateTime.UtcNow.AddSeconds(0.2), cancellationToken: token);
            await FailsAsync(async () => await waiting, StatusCode.DeadlineExceeded);
            await Wait_for_an_empty_queue();
        }
    }

    [Test, CancelAfter(30_000)]
    public async Task The_parameter_timeout_is_a_deadline(CancellationToken token)
    {
        ModelInferRequest request = Small();
        request.Parameters["timeout"] = new InferParameter { Int64Param = 100_000 };
        await FailsAsync(async () => await Client.ModelInferAsync(request, cancellationToken: token),
            StatusCode.DeadlineExceeded);
    }

    /// <summary>What the client sees may come from its own library, what is counted comes from the server.</summary>
    [Test, CancelAfter(30_000)]
    public async Task A_deadline_and_a_client_that_goes_away_are_counted_apart(CancellationToken token)
    {
        (double Deadlines, double Cancellations) before = await CountAsync();
        using CancellationTokenSource end = CancellationTokenSource.CreateLinkedTokenSource(token);
        using (AsyncUnaryCall<ModelInferResponse> waiting = await OccupyAsync(end.Token))
        {
            await end.CancelAsync();
            await FailsAsync(async () => await waiting, StatusCode.Cancelled);
        }

        while (await CountAsync() != (before.Deadlines, before.Cancellations + 1))
            await Task.Delay(1, token);
        // Only the server knows this deadline: the library would go away at its own, often before that of the server.
        using GrpcChannel channel = GrpcChannel.ForAddress(Server.Grpc,
            new GrpcChannelOptions { HttpHandler = new HiddenDeadline() });
        using AsyncUnaryCall<ModelInferResponse> late = new GRPCInferenceService.GRPCInferenceServiceClient(channel)
            .ModelInferAsync(Small(), cancellationToken: token);
        await FailsAsync(async () => await late, StatusCode.DeadlineExceeded);
        while (await CountAsync() != (before.Deadlines + 1, before.Cancellations + 1))
            await Task.Delay(1, token);
    }

    private async Task<(double Deadlines, double Cancellations)> CountAsync()
    {
        using MemoryStream stream = new();
        await Server.Application.Services.GetRequiredService<ServerMetrics>().Registry
            .CollectAndExportAsTextAsync(stream);
        MetricsText text = new(Encoding.UTF8.GetString(stream.ToArray()));
        return (Of("deadline_exceeded"), Of("cancelled"));

        double Of(string kind) => text.Of("msresampler_request_failures_total", ModelName, $",kind=\"{kind}\"");
    }

    [TearDown]
    public async Task Wait_for_an_empty_queue()
    {
        while (Server.Models.Find(ModelName).QueueLength > 0)
            await Task.Delay(1);
    }

    /// <summary>Starts a request that waits, and returns once it has the only place.</summary>
    private async Task<AsyncUnaryCall<ModelInferResponse>> OccupyAsync(CancellationToken token)
    {
        await Wait_for_an_empty_queue();
        AsyncUnaryCall<ModelInferResponse> call = Client.ModelInferAsync(Small(), cancellationToken: token);
        while (Server.Models.Find(ModelName).QueueLength == 0 && !call.ResponseAsync.IsCompleted)
            await Task.Delay(1, token);
        return call;
    }

    /// <summary>Adds a deadline that the library does not see.</summary>
    private sealed class HiddenDeadline() : DelegatingHandler(new SocketsHttpHandler())
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken token)
        {
            request.Headers.Add("grpc-timeout", "200m");
            return base.SendAsync(request, token);
        }
    }
}
