using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using MsResampler.Files;
using static MsResampler.Safetensors.SafetensorsException;

namespace MsResampler.Safetensors;

/// <summary>Reads untrusted JSON token by token, without copying it. Every error is a
/// <see cref="SafetensorsException"/>.</summary>
internal ref struct StrictJson
{
    // A valid header has depth 3. Ignored fields may be nested deeper.
    private const int MaxDepth = 32;

    private readonly string _source;
    private Utf8JsonReader _reader;

    public StrictJson(ReadOnlySpan<byte> json, string source)
    {
        _source = source;
        json = FileKind.WithoutMark(json);
        if (json.IndexOfAnyExcept(" \t\r\n"u8) < 0)
            Fail(SafetensorsError.HeaderEmpty, "expected a JSON object, found nothing but white space");
        if (json is [0xff, 0xfe, ..] or [0xfe, 0xff, ..])
            Fail(SafetensorsError.NotUtf8, "expected UTF-8, found the byte order mark of UTF-16");
        if (!Utf8.IsValid(json))
        {
            Fail(SafetensorsError.NotUtf8,
                $"expected UTF-8, found an invalid sequence at byte {ValidLength(json)} of the JSON");
        }

        // One above MaxDepth, so that Read reports the excess and not the JSON reader.
        _reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = MaxDepth + 1 });
    }

    /// <summary>The tensor that error messages name.</summary>
    public string? Tensor { get; set; }

    public readonly JsonTokenType Token => _reader.TokenType;

    /// <summary>The current token, quoted for an error message.</summary>
    public readonly string Found => Token switch
    {
        JsonTokenType.StartObject => "an object",
        JsonTokenType.StartArray => "an array",
        JsonTokenType.String or JsonTokenType.PropertyName => "the string " + Quote(RawText),
        _ => Quote(RawText),
    };

    private readonly string RawText
    {
        get
        {
            // A token can be as long as the header; a message shows only its beginning.
            ReadOnlySpan<byte> value = _reader.ValueSpan;
            return Encoding.UTF8.GetString(value[..Math.Min(value.Length, 1000)]);
        }
    }

    [DoesNotReturn]
    public readonly void Fail(SafetensorsError error, string problem, Exception? inner = null) =>
        throw new SafetensorsException(error, _source,
            Tensor is null ? problem : $"tensor {Quote(Tensor)}: {problem}", inner);

    public JsonTokenType Read()
    {
        try
        {
            _reader.Read();
        }
        catch (JsonException exception)
        {
            Fail(SafetensorsError.NotJson, $"expected JSON, found an error: {exception.Message}", exception);
        }

        if (_reader.CurrentDepth >= MaxDepth)
            Fail(SafetensorsError.NestedTooDeep, $"expected depth 3 in the JSON, found more than {MaxDepth}");
        return Token;
    }

    public void ReadRoot()
    {
        if (Read() != JsonTokenType.StartObject)
            Fail(SafetensorsError.RootNotObject, $"expected a JSON object at the root, found {Found}");
    }

    /// <summary>Checks that only white space follows the root object.</summary>
    public void ReadEnd() => Read();

    /// <summary>Moves to the next property of an object.</summary>
    /// <returns>Whether there is one; if not, the object has ended.</returns>
    public bool ReadProperty() => Read() == JsonTokenType.PropertyName;

    // Utf8JsonReader.ValueTextEquals throws on an escaped lone surrogate.
    public readonly bool IsText(ReadOnlySpan<byte> utf8) => _reader.ValueIsEscaped
        ? GetString() == Encoding.UTF8.GetString(utf8)
        : _reader.ValueSpan.SequenceEqual(utf8);

    public readonly string GetString()
    {
        try
        {
            return _reader.GetString()!;
        }
        catch (InvalidOperationException exception)
        {
            // An escaped lone surrogate is valid by JSON's grammar but is not text.
            Fail(SafetensorsError.NotJson, $"expected text, found half a surrogate in {Found}", exception);
            return "";
        }
    }

    /// <summary>Reads an array of integers from 0 to 2^63 − 1.</summary>
    public long[] ReadCounts(string field)
    {
        if (Read() != JsonTokenType.StartArray)
            Fail(SafetensorsError.NotANumber, $"{field}: expected an array of integers, found {Found}");

        // A first pass counts the elements: a growing list would need several times the memory.
        StrictJson ahead = this;
        int count = 0;
        while (ahead.Read() == JsonTokenType.Number)
            count++;

        long[] counts = count == 0 ? [] : new long[count];
        for (int index = 0; Read() != JsonTokenType.EndArray; index++)
        {
            long value = GetCount(field);
            counts[index] = value;
        }

        return counts;
    }

    /// <summary>Skips one value of any kind.</summary>
    public void SkipValue()
    {
        Read();
        int depth = _reader.CurrentDepth;
        while (Token is JsonTokenType.StartObject or JsonTokenType.StartArray || _reader.CurrentDepth > depth)
            Read();
    }

    private readonly long GetCount(string field)
    {
        ReadOnlySpan<byte> digits = _reader.ValueSpan;
        if (Token != JsonTokenType.Number)
            Fail(SafetensorsError.NotANumber, $"{field}: expected an integer, found {Found}");
        if (digits[0] == '-')
            Fail(SafetensorsError.NegativeNumber, $"{field}: expected an integer from 0 on, found {Found}");
        if (digits.IndexOfAny(".eE"u8) >= 0)
            Fail(SafetensorsError.FractionalNumber, $"{field}: expected only digits, found {Found}");
        if (!_reader.TryGetInt64(out long count))
            Fail(SafetensorsError.NumberTooLarge, $"{field}: expected an integer below 2^63, found {Found}");
        return count;
    }

    private static int ValidLength(ReadOnlySpan<byte> json)
    {
        int position = 0;
        while (Rune.DecodeFromUtf8(json[position..], out _, out int length) == OperationStatus.Done)
            position += length;
        return position;
    }
}
