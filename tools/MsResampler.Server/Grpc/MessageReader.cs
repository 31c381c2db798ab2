using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using Google.Protobuf.Reflection;
using Microsoft.AspNetCore.Http.Features;
using MsResampler.Server.Limits;
using MsResampler.Server.Protocol;

namespace MsResampler.Server.Grpc;

/// <summary>The body of a call with one message for the gRPC library, which buffers a whole message before it parses
/// it. Every byte that is buffered is reserved, and what the message becomes before it is parsed.</summary>
/// <remarks>The library consumes a body in whole messages: every buffer starts with the header of one.</remarks>
/// <param name="body">The body.</param>
/// <param name="type">The type of the message.</param>
/// <param name="memory">The memory of the call.</param>
/// <param name="capacity">The memory of all calls.</param>
/// <param name="maxBytes">The largest message.</param>
internal sealed class MessageReader(PipeReader body, MessageDescriptor type, MemoryLease memory, long capacity,
    long maxBytes) : PipeReader, IRequestBodyPipeFeature
{
    private const int HeaderBytes = 5;

    private ReadOnlySequence<byte> _buffer;
    private long _buffered;
    private bool _isParsed;

    PipeReader IRequestBodyPipeFeature.Reader => this;

    public override async ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
        => Reserve(await body.ReadAsync(cancellationToken).ConfigureAwait(false));

    public override bool TryRead(out ReadResult result)
    {
        if (!body.TryRead(out result))
            return false;
        result = Reserve(result);
        return true;
    }

    public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        long remaining = _buffer.Slice(consumed).Length;
        _buffer = default;
        body.AdvanceTo(consumed, examined);
        memory.Shrink(_buffered - remaining);
        _buffered = remaining;
    }

    public override void CancelPendingRead() => body.CancelPendingRead();

    public override void Complete(Exception? exception = null) => body.Complete(exception);

    private ReadResult Reserve(ReadResult result)
    {
        _buffer = result.Buffer;
        try
        {
            memory.Grow(_buffer.Length - _buffered);
            _buffered = _buffer.Length;
            Check();
            return result;
        }
        catch (ServerException exception)
        {
            body.AdvanceTo(_buffer.End);
            throw GrpcErrors.Of(exception);
        }
    }

    /// <summary>Checks the length of the message as soon as it is known, and reserves what it becomes when all of it is
    /// there. Compressed messages are left to the library, which rejects them.</summary>
    private void Check()
    {
        if (_isParsed || _buffer.Length < HeaderBytes)
            return;
        Span<byte> header = stackalloc byte[HeaderBytes];
        _buffer.Slice(0, HeaderBytes).CopyTo(header);
        if (header[0] > 1)
        {
            throw new ServerException(ErrorKind.InvalidRequest,
                $"expected a gRPC message, which starts with 0 or 1, found {header[0]}");
        }

        long length = BinaryPrimitives.ReadUInt32BigEndian(header[1..]);
        if (length > maxBytes)
        {
            throw new ServerException(ErrorKind.TooLarge,
                $"expected a message of at most {maxBytes} bytes, the limit of the server, found one of {length}");
        }

        if (_buffer.Length < HeaderBytes + length || header[0] == 1)
            return;
        memory.Grow(MessageCost.Of(_buffer.Slice(HeaderBytes, length), type, capacity));
        _isParsed = true;
    }
}
