using System.Buffers;
using System.Text.Json;
using MsResampler.Server.Limits;

namespace MsResampler.Server.Rest.Json;

/// <summary>The values of a tensor whose name, type or shape comes later: their text without spaces.</summary>
/// <param name="where">The part of the request, for messages.</param>
/// <param name="memory">Where the memory of the text is reserved.</param>
internal sealed class JsonCapturedData(string where, MemoryLease memory) : JsonPart, IDisposable
{
    private const int SmallestLength = 1 << 12;

    private byte[] _text = [];
    private int _length;
    private int _depth;
    private bool _needsComma;

    /// <summary>The text, once the value has ended.</summary>
    public ReadOnlySpan<byte> Text => _text.AsSpan(0, _length);

    public override bool Take(ref Utf8JsonReader reader, JsonParts parts)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.StartArray:
                Separate();
                Add((byte)'[');
                _depth++;
                _needsComma = false;
                return false;
            case JsonTokenType.EndArray:
                Add((byte)']');
                _needsComma = true;
                return --_depth == 0;
            case JsonTokenType.Number when _depth > 0:
                Separate();
                AddToken(ref reader);
                _needsComma = true;
                return false;
            case JsonTokenType.String when _depth > 0:
                Separate();
                Add((byte)'"');
                AddToken(ref reader);
                Add((byte)'"');
                _needsComma = true;
                return false;
            default:
                throw JsonFormat.Unexpected(where, _depth == 0 ? "an array" : "numbers or strings", ref reader);
        }
    }

    /// <summary>Returns the memory. Calling it again has no effect.</summary>
    public void Dispose()
    {
        if (_text.Length == 0)
            return;
        byte[] text = _text;
        (_text, _length) = ([], 0);
        ArrayPool<byte>.Shared.Return(text);
        memory.Shrink(text.Length);
    }

    private void Separate()
    {
        if (_needsComma)
            Add((byte)',');
    }

    private void AddToken(ref Utf8JsonReader reader)
    {
        if (reader.HasValueSequence)
        {
            foreach (ReadOnlyMemory<byte> piece in reader.ValueSequence)
                Add(piece.Span);
        }
        else
        {
            Add(reader.ValueSpan);
        }
    }

    private void Add(byte value) => Add([value]);

    private void Add(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > _text.Length - _length)
            Enlarge((long)_length + bytes.Length);
        bytes.CopyTo(_text.AsSpan(_length));
        _length += bytes.Length;
    }

    private void Enlarge(long needed)
    {
        int length = (int)Math.Min(Math.Max(needed, Math.Max(SmallestLength, 2L * _text.Length)), Array.MaxLength);
        memory.Grow(PooledArrays.BytesOf(length, sizeof(byte)));
        byte[] text = ArrayPool<byte>.Shared.Rent(length);
        _text.AsSpan(0, _length).CopyTo(text);
        (byte[] old, _text) = (_text, text);
        if (old.Length == 0)
            return;
        ArrayPool<byte>.Shared.Return(old);
        memory.Shrink(old.Length);
    }
}
