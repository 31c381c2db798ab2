using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace MsResampler.Perf.Serving;

/// <summary>REST over a socket, with as little work for the client as possible.</summary>
internal sealed class RestConnection : IServingConnection
{
    private const int FirstBufferLength = 1 << 16;
    private const int SlowLength = 1 << 10;
    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)
    {
        NoDelay = true,
    };

    private byte[] _buffer = new byte[FirstBufferLength];

    private RestConnection()
    {
    }

    /// <summary>A time to wait before each piece of an answer, which is then small; for a slow client.</summary>
    public TimeSpan ReadPause { get; set; }

    /// <summary>Opens a connection.</summary>
    public static async Task<RestConnection> OpenAsync(IPEndPoint address, CancellationToken cancellationToken)
    {
        RestConnection connection = new();
        try
        {
            await connection._socket.ConnectAsync(address, cancellationToken).ConfigureAwait(false);
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public async ValueTask<ServingAnswer> CallAsync(PreparedCall call, CancellationToken cancellationToken)
    {
        await SendAsync(call.Rest, cancellationToken).ConfigureAwait(false);
        return await ReceiveAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Sends bytes, such as a part of a request.</summary>
    public async Task SendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        while (bytes.Length > 0)
        {
            int count = await _socket.SendAsync(bytes, SocketFlags.None, cancellationToken).ConfigureAwait(false);
            bytes = bytes[count..];
        }
    }

    /// <summary>Reads one answer, which must have a length.</summary>
    public async ValueTask<ServingAnswer> ReceiveAsync(CancellationToken cancellationToken)
    {
        int filled = 0;
        int headLength;
        while ((headLength = _buffer.AsSpan(0, filled).IndexOf("\r\n\r\n"u8)) < 0)
            filled += await ReceiveAsync(filled, cancellationToken).ConfigureAwait(false);
        headLength += 4;
        string head = Encoding.ASCII.GetString(_buffer, 0, headLength);
        int status = int.Parse(head.AsSpan(9, 3), CultureInfo.InvariantCulture);
        const string Name = "\r\nContent-Length: ";
        int at = head.IndexOf(Name, StringComparison.OrdinalIgnoreCase);
        if (at < 0)
            throw new InvalidDataException($"expected an answer with Content-Length, found {head}");
        ReadOnlySpan<char> rest = head.AsSpan(at + Name.Length);
        int length = headLength + int.Parse(rest[..rest.IndexOf('\r')], CultureInfo.InvariantCulture);
        if (_buffer.Length < length)
            Array.Resize(ref _buffer, length);
        while (filled < length)
            filled += await ReceiveAsync(filled, cancellationToken).ConfigureAwait(false);
        return new ServingAnswer(status, _buffer.AsMemory(headLength, length - headLength));
    }

    private async ValueTask<int> ReceiveAsync(int filled, CancellationToken cancellationToken)
    {
        if (filled == _buffer.Length)
            Array.Resize(ref _buffer, 2 * _buffer.Length);
        Memory<byte> free = _buffer.AsMemory(filled);
        if (ReadPause > TimeSpan.Zero)
        {
            await Task.Delay(ReadPause, cancellationToken).ConfigureAwait(false);
            free = free[..Math.Min(free.Length, SlowLength)];
        }

        int count = await _socket.ReceiveAsync(free, SocketFlags.None, cancellationToken).ConfigureAwait(false);
        return count > 0 ? count : throw new EndOfStreamException("the server closed the connection");
    }

    /// <summary>Closes the connection at once, also in the middle of a call.</summary>
    public void Dispose() => _socket.Dispose();
}
