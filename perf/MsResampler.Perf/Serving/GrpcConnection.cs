using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;

namespace MsResampler.Perf.Serving;

/// <summary>gRPC over a connection of its own. The messages are already bytes, so that a client library does not take
/// processor time from the server.</summary>
internal sealed class GrpcConnection : IServingConnection
{
    private const int FirstBufferLength = 1 << 16;
    private const int WindowLength = 16 << 20;
    private const int Unknown = 2;
    private static readonly MediaTypeHeaderValue s_type = new("application/grpc");

    private readonly HttpMessageInvoker _client;
    private readonly Uri _address;
    private byte[] _buffer = new byte[FirstBufferLength];

    public GrpcConnection(IPEndPoint server)
    {
        _client = new HttpMessageInvoker(new SocketsHttpHandler
        {
            InitialHttp2StreamWindowSize = WindowLength,
            MaxConnectionsPerServer = 1,
            UseProxy = false,
            UseCookies = false,
        });
        _address = new Uri($"http://{server}/inference.GRPCInferenceService/ModelInfer");
    }

    /// <inheritdoc/>
    public async ValueTask<ServingAnswer> CallAsync(PreparedCall call, CancellationToken cancellationToken)
    {
        ByteArrayContent content = new(call.Grpc);
        content.Headers.ContentType = s_type;
        using HttpRequestMessage request = new(HttpMethod.Post, _address)
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = content,
        };
        request.Headers.TE.Add(new TransferCodingWithQualityHeaderValue("trailers"));
        using HttpResponseMessage answer = await _client.SendAsync(request, cancellationToken).ConfigureAwait(false);
        int filled = await ReadAsync(answer, cancellationToken).ConfigureAwait(false);
        int status = StatusOf(answer);
        if (status != 0)
            return new ServingAnswer(status, System.Text.Encoding.UTF8.GetBytes(MessageOf(answer)));
        int length = filled - PreparedCall.GrpcPrefixLength;
        if (length < 0 || BinaryPrimitives.ReadInt32BigEndian(_buffer.AsSpan(1)) != length)
            throw new InvalidDataException($"expected one message of gRPC, found {filled} bytes");
        return new ServingAnswer(ServingAnswer.Success, _buffer.AsMemory(PreparedCall.GrpcPrefixLength, length));
    }

    private async ValueTask<int> ReadAsync(HttpResponseMessage answer, CancellationToken cancellationToken)
    {
        using Stream stream = await answer.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        for (int filled = 0; ;)
        {
            if (filled == _buffer.Length)
                Array.Resize(ref _buffer, 2 * _buffer.Length);
            int count = await stream.ReadAsync(_buffer.AsMemory(filled), cancellationToken).ConfigureAwait(false);
            if (count == 0)
                return filled;
            filled += count;
        }
    }

    private static int StatusOf(HttpResponseMessage answer)
        => Find(answer, "grpc-status") is { } text ? int.Parse(text, CultureInfo.InvariantCulture) : Unknown;

    private static string MessageOf(HttpResponseMessage answer)
        => Find(answer, "grpc-message") ?? $"HTTP {(int)answer.StatusCode}";

    /// <summary>A field after the message, or at its head if there is no message.</summary>
    private static string? Find(HttpResponseMessage answer, string name)
        => answer.TrailingHeaders.TryGetValues(name, out IEnumerable<string>? values)
            || answer.Headers.TryGetValues(name, out values) ? values.First() : null;

    /// <summary>Closes the connection at once, also in the middle of a call.</summary>
    public void Dispose() => _client.Dispose();
}
