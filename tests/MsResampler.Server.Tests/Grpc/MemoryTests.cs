using System.Buffers.Binary;
using System.Net;
using System.Net.Http.Headers;
using Google.Protobuf;
using Microsoft.Extensions.DependencyInjection;
using MsResampler.Server.Grpc.Protocol;
using MsResampler.Server.Hosting;
using MsResampler.Server.Limits;

namespace MsResampler.Server.Tests.Grpc;

/// <summary>Many large messages at once, for which the memory of the server does not suffice.</summary>
internal sealed class MemoryTests : GrpcFixture
{
    private const int MemoryBytes = 16 << 20;
    private const int CallCount = 40;
    private const int FirstPart = 5 << 19;

    private MemoryBudget Budget => Server.Application.Services.GetRequiredService<MemoryBudget>();

    protected override void Configure(ServerSettings settings) => settings.MaxMemoryBytes = MemoryBytes;

    /// <summary>Every client sends most of its message and then waits: whatever the server does not refuse, it
    /// holds.</summary>
    [Test, CancelAfter(60_000)]
    public async Task Messages_beyond_the_memory_are_refused(CancellationToken token)
    {
        PatchGrid grid = new(256, 256);
        byte[] message = Raw(RandomFeatures(1, grid), grid).ToByteArray();
        Assert.That(message, Has.Length.InRange(FirstPart + 1, MemoryBytes / 3));
        TaskCompletionSource release = new();
        using HttpClient client = new();
        List<Task<string>> calls = [.. Enumerable.Range(0, CallCount).Select(_
            => StatusAsync(client, message, release.Task, token))];
        List<string> refused = [];
        // The others fit at most.
        while (refused.Count < CallCount - (MemoryBytes / FirstPart))
        {
            Assert.That(Budget.Used, Is.LessThanOrEqualTo(MemoryBytes));
            Task<string> call = await Task.WhenAny(calls);
            calls.Remove(call);
            refused.Add(await call);
        }

        Assert.That(refused, Is.All.EqualTo("RESOURCE_EXHAUSTED, again after 1 s"));
        release.SetResult();
        string[] others = await Task.WhenAll(calls);
        Assert.That(others, Is.All.AnyOf("OK", "RESOURCE_EXHAUSTED, again after 1 s"));
        await AllIsFreeAsync(token);
        ModelInferResponse answer = await Client.ModelInferAsync(Small(), cancellationToken: token);
        Assert.That(answer.Outputs, Has.Count.EqualTo(1));
    }

    [Test, CancelAfter(60_000)]
    public async Task Calls_free_their_memory_however_they_end(CancellationToken token)
    {
        ModelInferRequest broken = Small();
        broken.RawInputContents.RemoveAt(1);
        ModelInferRequest absent = Small();
        absent.ModelName = "absent";
        foreach (ModelInferRequest request in new[] { Small(), broken, absent })
        {
            await Task.WhenAny(Client.ModelInferAsync(request, cancellationToken: token).ResponseAsync);
            await AllIsFreeAsync(token);
        }

        // A client that goes away within its message.
        using HttpClient client = new();
        using CancellationTokenSource gone = CancellationTokenSource.CreateLinkedTokenSource(token);
        Task<string> call = StatusAsync(client, new byte[FirstPart + 1], new TaskCompletionSource().Task, gone.Token);
        while (Budget.Used < FirstPart)
            await Task.Delay(1, token);
        await gone.CancelAsync();
        await Task.WhenAny(call);
        await AllIsFreeAsync(token);
    }

    private async Task AllIsFreeAsync(CancellationToken token)
    {
        while (Budget.Used > 0)
            await Task.Delay(1, token);
    }

    private async Task<string> StatusAsync(HttpClient client, byte[] message, Task release, CancellationToken token)
    {
        using HttpRequestMessage request = new(HttpMethod.Post,
            new Uri(Server.Grpc, "/inference.GRPCInferenceService/ModelInfer"))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new TwoParts(message, release),
        };
        request.Headers.TE.Add(new TransferCodingWithQualityHeaderValue("trailers"));
        using HttpResponseMessage response
            = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, token);
        await response.Content.ReadAsByteArrayAsync(token);
        string status = Value(response, "grpc-status")!;
        return status == "0" ? "OK" : status == "8"
            ? $"RESOURCE_EXHAUSTED, again after {Value(response, "retry-after")} s" : $"status {status}";
    }

    private static string? Value(HttpResponseMessage response, string name)
        => response.Headers.TryGetValues(name, out IEnumerable<string>? values)
            || response.TrailingHeaders.TryGetValues(name, out values) ? values.Single() : null;

    /// <summary>A message whose last part waits.</summary>
    private sealed class TwoParts : HttpContent
    {
        private readonly byte[] _message;
        private readonly Task _release;

        public TwoParts(byte[] message, Task release)
        {
            (_message, _release) = (message, release);
            Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        }

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context)
            => SerializeToStreamAsync(stream, context, CancellationToken.None);

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context,
            CancellationToken cancellationToken)
        {
            byte[] header = new byte[5];
            BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(1), _message.Length);
            await stream.WriteAsync(header, cancellationToken);
            await stream.WriteAsync(_message.AsMemory(0, FirstPart), cancellationToken);
            await stream.FlushAsync(cancellationToken);
            await _release.WaitAsync(cancellationToken);
            await stream.WriteAsync(_message.AsMemory(FirstPart), cancellationToken);
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
