using System.Buffers;
using System.Text.Json;
using System.Text.Unicode;
using MsResampler.Server.Limits;
using MsResampler.Server.Protocol;

namespace MsResampler.Server.Rest.Json;

/// <summary>What the tokens of a request have in common.</summary>
internal static class JsonFormat
{
    private const int LongestText = 1 << 16;

    /// <summary>The largest depth of arrays and objects.</summary>
    public const int LargestDepth = 32;

    /// <summary>The error for a value of another kind.</summary>
    public static ServerException Unexpected(string where, string expected, ref Utf8JsonReader reader)
    {
        string found = reader.TokenType switch
        {
            JsonTokenType.StartObject => "an object",
            JsonTokenType.StartArray => "an array",
            JsonTokenType.String => "a string",
            JsonTokenType.Number => "a number",
            JsonTokenType.Null => "null",
            JsonTokenType.True or JsonTokenType.False => "a bool",
            _ => "the end of an array or object",
        };
        return Invalid(where, $"expected {expected}, found {found}");
    }

    /// <summary>The error for a part of a request.</summary>
    public static ServerException Invalid(string where, string message)
        => new(ErrorKind.InvalidRequest, $"{where}: {message}");

    /// <summary>The number of bytes of the token.</summary>
    public static long LengthOf(ref Utf8JsonReader reader)
        => reader.HasValueSequence ? reader.ValueSequence.Length : reader.ValueSpan.Length;

    /// <summary>The text of a string or of the name of a member, of a limited length.</summary>
    /// <param name="reader">Stands on the token.</param>
    /// <param name="where">The part of the request, for messages.</param>
    /// <param name="memory">Where its memory is reserved.</param>
    public static string ReadText(ref Utf8JsonReader reader, string where, MemoryLease memory)
    {
        long length = LengthOf(ref reader);
        if (length > LongestText)
            throw Invalid(where, $"expected a string of at most {LongestText} bytes, found one of {length}");
        memory.Grow(length * sizeof(char));
        try
        {
            return reader.GetString()!;
        }
        catch (InvalidOperationException exception)
        {
            throw NotUnicode(where, exception);
        }
    }

    /// <summary>Checks the text of a value that is ignored.</summary>
    public static void CheckText(ref Utf8JsonReader reader, string where)
    {
        if (reader.TokenType is not (JsonTokenType.String or JsonTokenType.PropertyName))
            return;
        bool isValid = reader.HasValueSequence ? Utf8.IsValid(reader.ValueSequence.ToArray())
            : Utf8.IsValid(reader.ValueSpan);
        if (!isValid)
            throw NotUnicode(where, null);
    }

    private static ServerException NotUnicode(string where, Exception? exception)
        => new(ErrorKind.InvalidRequest, $"{where}: expected a string of valid UTF-8, found one with other bytes or "
            + "with half a surrogate pair", exception);
}
