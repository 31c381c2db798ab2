using System.Text.Json;

namespace MsResampler.Server.Rest.Json;

/// <summary>Any value, which is ignored.</summary>
/// <param name="where">The part of the request, for messages.</param>
internal sealed class JsonIgnored(string where) : JsonPart
{
    private int _depth;

    public override bool Take(ref Utf8JsonReader reader, JsonParts parts)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.StartArray or JsonTokenType.StartObject:
                _depth++;
                break;
            case JsonTokenType.EndArray or JsonTokenType.EndObject:
                _depth--;
                break;
            default:
                JsonFormat.CheckText(ref reader, where);
                break;
        }

        return _depth == 0 && reader.TokenType != JsonTokenType.PropertyName;
    }
}
