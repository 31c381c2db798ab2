using System.Buffers;
using System.IO.Pipelines;
using MsResampler.Server.Inputs;
using MsResampler.Server.Limits;
using MsResampler.Server.Protocol;
using MsResampler.Server.Rest.Json;

namespace MsResampler.Server.Rest;

/// <summary>Reads the body of a request while it arrives: JSON, and after it the binary data of tensors, which go
/// straight to their buffers.</summary>
/// <param name="reader">The body.</param>
/// <param name="memory">Where the memory of tokens that have not ended is reserved.</param>
/// <param name="parsed">Called when JSON has been read; for tests.</param>
internal sealed class RequestBody(PipeReader reader, MemoryLease memory, Action? parsed = null)
{
    // A token that is larger waits until twice as many bytes have arrived, so that reading it takes linear time.
    private const int SmallTokenLength = 1 << 12;

    // What the server itself buffers of a body is not reserved.
    private const int FreeLength = 1 << 16;

    private long _reserved;

    /// <summary>Reads a body.</summary>
    /// <param name="request">Receives the JSON.</param>
    /// <param name="jsonLength">The number of bytes of the JSON; null if it is the whole body.</param>
    /// <param name="bodyLength">The number of bytes of the body; null if it is not known.</param>
    /// <param name="cancellationToken">Cancelled when the client has gone.</param>
    /// <exception cref="ServerException">The body is wrong.</exception>
    public async Task ReadAsync(JsonRequest request, long? jsonLength, long? bodyLength,
        CancellationToken cancellationToken)
    {
        await ReadJsonAsync(request, jsonLength, cancellationToken).ConfigureAwait(false);
        if (jsonLength is null)
            return;
        Int128 expected = jsonLength.Value;
        foreach ((_, long length) in request.Binary)
            expected += length;
        if (bodyLength is { } found && found != expected)
        {
            throw new ServerException(ErrorKind.InvalidRequest, $"expected a body of {expected} bytes, the JSON and "
                + $"the 'binary_data_size' of all inputs, found {found}");
        }

        foreach ((InputTensor tensor, long length) in request.Binary)
            await ReadTensorAsync(tensor, length, cancellationToken).ConfigureAwait(false);
        await CheckEndAsync(cancellationToken).ConfigureAwait(false);
    }

    private async Task ReadJsonAsync(JsonRequest request, long? jsonLength, CancellationToken cancellationToken)
    {
        long remaining = jsonLength ?? long.MaxValue;
        long needed = 1;
        bool isStart = true;
        bool isFinal = false;
        while (!isFinal)
        {
            ReadResult result = await reader.ReadAsync(cancellationToken).ConfigureAwait(false);
            ReadOnlySequence<byte> text = result.Buffer;
            SequencePosition consumed = text.Start;
            SequencePosition examined = text.End;
            try
            {
                if (text.Length > remaining)
                    text = text.Slice(0, remaining);
                if (jsonLength is not null && result.IsCompleted && text.Length < remaining)
                    throw EndsEarly("the JSON");
                isFinal = jsonLength is null ? result.IsCompleted : text.Length == remaining;
                if (isFinal || text.Length >= needed)
                {
                    if (isStart)
                        CheckStart(text);
                    isStart = false;
                    long read = request.Read(text, isFinal);
                    parsed?.Invoke();
                    remaining -= read;
                    long rest = text.Length - read;
                    needed = rest < SmallTokenLength ? rest + 1 : 2 * rest;
                    Reserve(isFinal ? 0 : needed);
                    consumed = isFinal ? text.End : text.GetPosition(read);
                    examined = isFinal ? text.End : examined;
                }
            }
            finally
            {
                reader.AdvanceTo(consumed, examined);
            }
        }
    }

    private async Task ReadTensorAsync(InputTensor tensor, long length, CancellationToken cancellationToken)
    {
        while (length > 0)
        {
            ReadResult result = await reader.ReadAsync(cancellationToken).ConfigureAwait(false);
            ReadOnlySequence<byte> bytes = result.Buffer;
            SequencePosition consumed = bytes.Start;
            try
            {
                if (bytes.Length > length)
                    bytes = bytes.Slice(0, length);
                foreach (ReadOnlyMemory<byte> piece in bytes)
                    tensor.AppendRaw(piece.Span);
                length -= bytes.Length;
                consumed = bytes.End;
                if (length > 0 && result.IsCompleted)
                    throw EndsEarly($"input '{tensor.Name}'");
            }
            finally
            {
                reader.AdvanceTo(consumed);
            }
        }
    }

    private async Task CheckEndAsync(CancellationToken cancellationToken)
    {
        bool isCompleted = false;
        while (!isCompleted)
        {
            ReadResult result = await reader.ReadAsync(cancellationToken).ConfigureAwait(false);
            bool isEmpty = result.Buffer.IsEmpty;
            isCompleted = result.IsCompleted;
            reader.AdvanceTo(result.Buffer.End);
            if (!isEmpty)
            {
                throw new ServerException(ErrorKind.InvalidRequest,
                    "expected the end of the body after the 'binary_data_size' of all inputs, found more bytes");
            }
        }
    }

    private static void CheckStart(ReadOnlySequence<byte> text)
    {
        if (text.IsEmpty)
        {
            throw new ServerException(ErrorKind.InvalidRequest,
                "expected a body with the JSON of a request, found none");
        }

        if (text.FirstSpan is [0xef, ..])
        {
            throw new ServerException(ErrorKind.InvalidRequest,
                "expected JSON that starts with {, found a byte order mark");
        }
    }

    private static ServerException EndsEarly(string where)
        => new(ErrorKind.InvalidRequest, $"the body ends within {where}");

    private void Reserve(long length)
    {
        long needed = length > FreeLength ? length : 0;
        if (needed > _reserved)
            memory.Grow(needed - _reserved);
        else if (needed < _reserved)
            memory.Shrink(_reserved - needed);
        _reserved = needed;
    }
}
