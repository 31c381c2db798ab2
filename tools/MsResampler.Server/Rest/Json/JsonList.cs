using System.Text.Json;

namespace MsResampler.Server.Rest.Json;

/// <summary>An array of objects, or null for an absent one.</summary>
/// <param name="where">The part of the request, for messages.</param>
/// <param name="largestCount">The largest number of elements.</param>
/// <param name="createElement">Creates what reads the element with an index.</param>
internal sealed class JsonList(string where, int largestCount, Func<int, JsonPart> createElement) : JsonPart
{
    private bool _isOpen;
    private int _count;

    public override bool Take(ref Utf8JsonReader reader, JsonParts parts)
    {
        if (!_isOpen)
        {
            if (reader.TokenType == JsonTokenType.Null)
                return true;
            if (reader.TokenType != JsonTokenType.StartArray)
                throw JsonFormat.Unexpected(where, "an array", ref reader);
            _isOpen = true;
            return false;
        }

        if (reader.TokenType == JsonTokenType.EndArray)
            return true;
        if (_count == largestCount)
            throw JsonFormat.Invalid(where, $"expected at most {largestCount} elements, found more");
        parts.Push(createElement(_count++));
        parts.Take(ref reader);
        return false;
    }
}
