using System.Text.Json;
using MsResampler.Server.Limits;

namespace MsResampler.Server.Rest.Json;

/// <summary>A string, or null for an absent one.</summary>
/// <param name="where">The part of the request, for messages.</param>
/// <param name="memory">Where its memory is reserved.</param>
/// <param name="receive">Takes the string.</param>
internal sealed class JsonText(string where, MemoryLease memory, Action<string> receive) : JsonPart
{
    public override bool Take(ref Utf8JsonReader reader, JsonParts parts)
    {
        if (reader.TokenType == JsonTokenType.Null)
            return true;
        if (reader.TokenType != JsonTokenType.String)
            throw JsonFormat.Unexpected(where, "a string", ref reader);
        receive(JsonFormat.ReadText(ref reader, where, memory));
        return true;
    }
}
