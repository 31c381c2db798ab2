using Grpc.Core;
using Grpc.Health.V1;
using MsResampler.Server.Grpc.Protocol;
using static Grpc.Health.V1.HealthCheckResponse.Types;

namespace MsResampler.Server.Tests.Grpc;

/// <summary>Health and readiness over gRPC, before and while the server stops.</summary>
internal sealed class HealthTests : GrpcFixture
{
    private const string Service = "inference.GRPCInferenceService";

    private Health.HealthClient Health => new(Channel);

    [SetUp]
    [TearDown]
    public void Serve() => Server.Models.IsDraining = false;

    [Test]
    public async Task The_server_the_service_and_each_model_are_serving([Values("", Service, ModelName)] string name)
        => Assert.That((await Health.CheckAsync(new HealthCheckRequest { Service = name })).Status,
            Is.EqualTo(ServingStatus.Serving));

    [Test]
    public async Task Nothing_is_serving_while_the_server_drains([Values("", Service, ModelName)] string name)
    {
        Server.Models.IsDraining = true;
        Assert.That((await Health.CheckAsync(new HealthCheckRequest { Service = name })).Status,
            Is.EqualTo(ServingStatus.NotServing));
    }

    [Test]
    public async Task The_check_of_an_unknown_service_is_not_found()
        => await FailsAsync(async () => await Health.CheckAsync(new HealthCheckRequest { Service = "absent" }),
            StatusCode.NotFound, "absent");

    /// <summary>A status is sent as a header, and clients end a connection whose headers are too long.</summary>
    [Test]
    public async Task The_check_of_a_long_name_is_not_found()
        => await FailsAsync(async () => await Health.CheckAsync(new HealthCheckRequest { Service = new('x', 60_000) }),
            StatusCode.NotFound, "60000 characters");

    [Test]
    public async Task Bytes_that_are_no_message_are_an_error([Values("Check", "Watch")] string method)
        => await FailsAsync(async () => await RawCalls.Start(Channel, method, [0x0A, 0x01, 0xFF],
            service: "grpc.health.v1.Health"), StatusCode.InvalidArgument, "service", "UTF-8");

    [Test, CancelAfter(20_000)]
    public async Task A_watcher_sees_each_change(CancellationToken token)
    {
        using AsyncServerStreamingCall<HealthCheckResponse> watch
            = Health.Watch(new HealthCheckRequest(), cancellationToken: token);
        Assert.That(await NextAsync(watch, token), Is.EqualTo(ServingStatus.Serving));
        Server.Models.IsDraining = true;
        Assert.That(await NextAsync(watch, token), Is.EqualTo(ServingStatus.NotServing));
        Server.Models.IsDraining = false;
        Assert.That(await NextAsync(watch, token), Is.EqualTo(ServingStatus.Serving));
    }

    [Test, CancelAfter(20_000)]
    public async Task A_watcher_of_an_unknown_service_is_told_so(CancellationToken token)
    {
        using AsyncServerStreamingCall<HealthCheckResponse> watch
            = Health.Watch(new HealthCheckRequest { Service = "absent" }, cancellationToken: token);
        Assert.That(await NextAsync(watch, token), Is.EqualTo(ServingStatus.ServiceUnknown));
    }

    [Test]
    public async Task The_server_is_live_and_ready()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That((await Client.ServerLiveAsync(new ServerLiveRequest())).Live, Is.True);
            Assert.That((await Client.ServerReadyAsync(new ServerReadyRequest())).Ready, Is.True);
            Assert.That((await Client.ModelReadyAsync(new ModelReadyRequest { Name = ModelName })).Ready, Is.True);
        }
    }

    [Test]
    public async Task The_server_is_live_but_not_ready_while_it_drains()
    {
        Server.Models.IsDraining = true;
        using (Assert.EnterMultipleScope())
        {
            Assert.That((await Client.ServerLiveAsync(new ServerLiveRequest())).Live, Is.True);
            Assert.That((await Client.ServerReadyAsync(new ServerReadyRequest())).Ready, Is.False);
            Assert.That((await Client.ModelReadyAsync(new ModelReadyRequest { Name = ModelName })).Ready, Is.False);
        }
    }

    [Test]
    public async Task The_readiness_of_an_unknown_model_is_not_found()
        => await FailsAsync(async () => await Client.ModelReadyAsync(new ModelReadyRequest { Name = "absent" }),
            StatusCode.NotFound, "absent");

    private static async Task<ServingStatus> NextAsync(AsyncServerStreamingCall<HealthCheckResponse> watch,
        CancellationToken token)
    {
        Assert.That(await watch.ResponseStream.MoveNext(token), Is.True);
        return watch.ResponseStream.Current.Status;
    }
}
