using System.Text.Json;

namespace MsResampler.Server.Rest.Json;

/// <summary>The extents of a tensor.</summary>
/// <param name="where">The part of the request, for messages.</param>
internal sealed class JsonShape(string where) : JsonPart
{
    private const int LargestRank = 8;

    private readonly List<long> _extents = [];
    private bool _isOpen;

    /// <summary>The extents; null before all have arrived.</summary>
    public long[]? Extents { get; private set; }

    public override bool Take(ref Utf8JsonReader reader, JsonParts parts)
    {
        if (!_isOpen)
        {
            if (reader.TokenType != JsonTokenType.StartArray)
                throw JsonFormat.Unexpected(where, "an array of integers", ref reader);
            _isOpen = true;
            return false;
        }

        if (reader.TokenType == JsonTokenType.EndArray)
        {
            Extents = [.. _extents];
            return true;
        }

        if (reader.TokenType != JsonTokenType.Number)
            throw JsonFormat.Unexpected(where, "an integer", ref reader);
        if (!reader.TryGetInt64(out long extent))
            throw JsonFormat.Invalid(where, "expected integers of 64 bits, found another number");
        if (_extents.Count == LargestRank)
            throw JsonFormat.Invalid(where, $"expected at most {LargestRank} extents, found more");
        _extents.Add(extent);
        return false;
    }
}
