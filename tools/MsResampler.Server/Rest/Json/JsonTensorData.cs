using System.Text.Json;
using MsResampler.Server.Inputs;
using MsResampler.Server.Limits;
using MsResampler.Server.Protocol;

namespace MsResampler.Server.Rest.Json;

/// <summary>The values of a tensor: one array, or arrays in arrays as the shape says.</summary>
/// <param name="tensor">Receives the values.</param>
/// <param name="extents">The shape of the tensor.</param>
/// <param name="memory">Where the memory of byte strings is reserved.</param>
internal sealed class JsonTensorData(InputTensor tensor, long[] extents, MemoryLease memory) : JsonPart
{
    private const int PieceLength = 256;
    private const int LongestNumber = 4096;

    private readonly float[] _piece = new float[PieceLength];
    private readonly long[] _counts = new long[extents.Length];
    private int _pieceCount;
    private int _depth;
    private bool _isNested;
    private long _index;

    public override bool Take(ref Utf8JsonReader reader, JsonParts parts)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.StartArray:
                Open();
                return false;
            case JsonTokenType.EndArray:
                Close();
                return _depth == 0;
            default:
                TakeValue(ref reader);
                return false;
        }
    }

    private void Open()
    {
        if (_depth == 1 && _counts[0] == 0)
            _isNested = true;
        if (_depth == extents.Length || (_depth > 0 && !_isNested))
            throw Invalid("expected one array, or arrays in arrays as its shape says, found an array in another place");
        if (_depth > 0)
            _counts[_depth - 1]++;
        _counts[_depth++] = 0;
    }

    private void Close()
    {
        _depth--;
        if (_isNested && _counts[_depth] != extents[_depth])
        {
            throw Invalid($"expected arrays of {extents[_depth]} elements at depth {_depth}, as its shape says, found "
                + $"one of {_counts[_depth]}");
        }

        if (_depth == 0)
            Flush();
    }

    private void TakeValue(ref Utf8JsonReader reader)
    {
        if (_depth == 0)
            throw JsonFormat.Unexpected($"input '{tensor.Name}', data", "an array", ref reader);
        if (_isNested && _depth != extents.Length)
            throw Invalid("expected one array, or arrays in arrays as its shape says, found a value beside arrays");
        _counts[_depth - 1]++;
        switch (tensor.Datatype)
        {
            case Datatype.Int32:
                tensor.Append([ReadInteger(ref reader)]);
                break;
            case Datatype.Bytes:
                tensor.AppendElement(ReadBytes(ref reader));
                break;
            default:
                AddFloat(ReadFloat(ref reader));
                break;
        }

        _index++;
    }

    private void AddFloat(float value)
    {
        _piece[_pieceCount++] = value;
        if (_pieceCount == PieceLength)
            Flush();
    }

    private void Flush()
    {
        if (_pieceCount > 0)
            tensor.Append(_piece.AsSpan(0, _pieceCount));
        _pieceCount = 0;
    }

    private float ReadFloat(ref Utf8JsonReader reader)
    {
        CheckNumber(ref reader);
        if (reader.TryGetSingle(out float value) && float.IsFinite(value))
            return value;
        throw Invalid($"value {_index} is outside the range of FP32");
    }

    private int ReadInteger(ref Utf8JsonReader reader)
    {
        CheckNumber(ref reader);
        return reader.TryGetInt32(out int value) ? value
            : throw Invalid($"value {_index}: expected an integer of 32 bits, found another number");
    }

    private void CheckNumber(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.Number)
            throw JsonFormat.Unexpected($"input '{tensor.Name}', value {_index}", "a number", ref reader);
        if (JsonFormat.LengthOf(ref reader) > LongestNumber)
        {
            throw Invalid($"value {_index}: expected a number of at most {LongestNumber} characters, found a longer "
                + "one");
        }
    }

    private byte[] ReadBytes(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.String)
            throw JsonFormat.Unexpected($"input '{tensor.Name}', element {_index}", "a string of base64", ref reader);
        // A text in pieces or with escapes is copied before it is decoded.
        long length = JsonFormat.LengthOf(ref reader);
        memory.Grow(length);
        memory.Grow(length / 4 * 3);
        byte[]? bytes;
        try
        {
            if (!reader.TryGetBytesFromBase64(out bytes))
                bytes = null;
        }
        catch (InvalidOperationException)
        {
            bytes = null;
        }

        memory.Shrink(length);
        return bytes ?? throw Invalid($"element {_index}: expected base64, found another string");
    }

    private ServerException Invalid(string message) => JsonFormat.Invalid($"input '{tensor.Name}', data", message);
}
