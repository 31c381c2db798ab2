using System.Buffers.Binary;
using System.Net;
using System.Net.Http.Headers;
using Google.Protobuf;
using Grpc.Core;
using MsResampler.Server.Grpc.Protocol;
using MsResampler.Server.Hosting;

namespace MsResampler.Server.Tests.Grpc;

/// <summary>Messages that are too large, broken or compressed.</summary>
internal sealed class MessageErrorTests : GrpcFixture
{
    private const int MaxBytes = 1 << 20;

    protected override void Configure(ServerSettings settings) => settings.MaxRequestBytes = MaxBytes;

    [TearDown]
    public async Task Still_answers()
    {
        ModelInferResponse answer = await Client.ModelInferAsync(Small());
        Assert.That(answer.Outputs, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task A_message_above_the_limit_is_refused()
    {
        byte[] message = new byte[MaxBytes + 1];
        await FailsAsync(async () => await RawCalls.Start(Channel, "ModelInfer", message), StatusCode.ResourceExhausted,
            $"at most {MaxBytes} bytes", $"found one of {MaxBytes + 1}");
    }

    [Test]
    public async Task A_message_of_the_limit_is_read()
    {
        ModelInferRequest request = Small();
        request.RawInputContents[0] = ByteString.CopyFrom(new byte[MaxBytes - request.CalculateSize()]);
        while (request.CalculateSize() < MaxBytes)
            request.Id += "x";
        Assert.That(request.CalculateSize(), Is.EqualTo(MaxBytes));
        await FailsAsync(async () => await Client.ModelInferAsync(request), StatusCode.InvalidArgument, "288 bytes");
    }

    [Test]
    public async Task Bytes_that_are_no_message_are_an_error()
        => await FailsAsync(async () => await RawCalls.Start(Channel, "ModelInfer", [0x0A, 0x05, 0x41]),
            StatusCode.InvalidArgument, "Open Inference Protocol");

    [Test]
    public async Task A_name_that_is_not_UTF_8_is_an_error()
        => await FailsAsync(async () => await RawCalls.Start(Channel, "ModelReady", [0x0A, 0x01, 0xFF]),
            StatusCode.InvalidArgument, "name", "UTF-8");

    [Test]
    public async Task A_call_that_does_not_exist_is_unimplemented()
        => await FailsAsync(async () => await RawCalls.Start(Channel, "ModelTrain", []), StatusCode.Unimplemented);

    /// <summary>The service has no bound for what a compressed message becomes.</summary>
    [Test]
    public async Task A_compressed_message_is_unimplemented()
    {
        CallOptions options = new([new Metadata.Entry("grpc-internal-encoding-request", "gzip")]);
        await FailsAsync(async () => await Client.ModelInferAsync(Small(), options), StatusCode.Unimplemented, "gzip");
    }

    [Test]
    public async Task Compressed_messages_of_health_and_reflection_are_unimplemented()
    {
        CallOptions options = new([new Metadata.Entry("grpc-internal-encoding-request", "gzip")]);
        global::Grpc.Health.V1.Health.HealthClient health = new(Channel);
        await FailsAsync(async () => await health.CheckAsync(new() { Service = "a" }, options),
            StatusCode.Unimplemented, "gzip");
    }

    [Test]
    public async Task A_body_that_ends_within_its_message_is_an_error()
        => Assert.That(await StatusOfBodyAsync([0, 0, 0, 0, 9, 1, 2]), Is.EqualTo($"{(int)StatusCode.Internal}"));

    /// <summary>The server knows from its headers that the body exceeds the limit for bodies.</summary>
    [Test]
    public async Task A_message_above_the_limit_is_refused_although_the_headers_have_its_length()
    {
        byte[] body = new byte[5 + MaxBytes + 1];
        BinaryPrimitives.WriteInt32BigEndian(body.AsSpan(1), MaxBytes + 1);
        Assert.That(await StatusOfBodyAsync(body), Is.EqualTo($"{(int)StatusCode.ResourceExhausted}"));
    }

    [Test]
    public async Task A_body_that_is_no_gRPC_message_is_an_error()
        => Assert.That(await StatusOfBodyAsync([7, 0, 0, 0, 0]), Is.EqualTo($"{(int)StatusCode.InvalidArgument}"));

    /// <summary>INTERNAL and UNKNOWN say that the server is at fault.</summary>
    [Test]
    public async Task No_changed_message_makes_the_server_fail()
    {
        Random random = new(11);
        byte[] valid = Typed(RandomFeatures(1, new PatchGrid(2, 3)), new PatchGrid(2, 3)).ToByteArray();
        Dictionary<StatusCode, int> found = [];
        for (int round = 0; round < 500; round++)
        {
            byte[] message = [.. valid];
            // Most of the bytes are features, and any feature is as good as another: the others change more often.
            int end = round % 4 == 0 ? message.Length : 60;
            for (int change = random.Next(1, 4); change > 0; change--)
                message[random.Next(2) == 0 ? random.Next(end) : message.Length - 1 - random.Next(30)]
                    = (byte)random.Next(256);
            StatusCode status = StatusCode.OK;
            try
            {
                await RawCalls.Start(Channel, "ModelInfer", message);
            }
            catch (RpcException failure)
            {
                status = failure.StatusCode;
            }

            found[status] = found.GetValueOrDefault(status) + 1;
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(found.Keys, Is.SubsetOf(new[]
            {
                StatusCode.OK, StatusCode.InvalidArgument, StatusCode.NotFound, StatusCode.ResourceExhausted,
            }));
            Assert.That(found[StatusCode.InvalidArgument], Is.GreaterThan(100));
        }
    }

    private async Task<string> StatusOfBodyAsync(byte[] body)
    {
        using HttpClient client = new();
        using HttpRequestMessage request = new(HttpMethod.Post,
            new Uri(Server.Grpc, "/inference.GRPCInferenceService/ModelInfer"))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent(body),
        };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        request.Headers.TE.Add(new TransferCodingWithQualityHeaderValue("trailers"));
        using HttpResponseMessage response = await client.SendAsync(request);
        await response.Content.ReadAsByteArrayAsync();
        IEnumerable<string>? values = null;
        Assert.That(response.Headers.TryGetValues("grpc-status", out values)
            || response.TrailingHeaders.TryGetValues("grpc-status", out values), Is.True);
        return values!.Single();
    }
}
