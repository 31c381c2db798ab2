using System.Diagnostics;
using Grpc.Core;
using Grpc.Health.V1;
using static Grpc.Health.V1.HealthCheckResponse.Types;

namespace MsResampler.Server.Tests.Grpc;

/// <summary>Open calls when the server stops.</summary>
internal sealed class StopTests : GrpcFixture
{
    /// <summary>Without an end of the call, the server would wait for it as long as for requests.</summary>
    [Test, CancelAfter(60_000)]
    public async Task A_watcher_sees_the_stop_and_does_not_delay_it(CancellationToken token)
    {
        using AsyncServerStreamingCall<HealthCheckResponse> watch
            = new Health.HealthClient(Channel).Watch(new HealthCheckRequest(), cancellationToken: token);
        Assert.That(await watch.ResponseStream.MoveNext(token), Is.True);
        long start = Stopwatch.GetTimestamp();
        Task stop = Server.Application.StopAsync(token);
        List<ServingStatus> seen = [];
        RpcException end = (await Assert.ThrowsAsync<RpcException>(async () =>
        {
            while (await watch.ResponseStream.MoveNext(token))
                seen.Add(watch.ResponseStream.Current.Status);
        }))!;
        await stop;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(seen, Is.EqualTo(new[] { ServingStatus.NotServing }));
            Assert.That(end.StatusCode, Is.EqualTo(StatusCode.Unavailable));
            Assert.That(Stopwatch.GetElapsedTime(start), Is.LessThan(TimeSpan.FromSeconds(20)));
        }
    }
}
