using System.Text.Json;
using MsResampler.Server.Limits;

namespace MsResampler.Server.Rest.Json;

/// <summary>The value of a parameter; null stands for an absent one.</summary>
/// <param name="where">The part of the request, for messages.</param>
/// <param name="memory">Where the memory of texts is reserved.</param>
/// <param name="receive">Takes a bool, a long, a double or a string, or this instance for an array or
/// object.</param>
internal sealed class JsonParameterValue(string where, MemoryLease memory, Action<object> receive) : JsonPart
{
    private JsonIgnored? _nested;

    public override bool Take(ref Utf8JsonReader reader, JsonParts parts)
    {
        if (_nested is null && reader.TokenType is JsonTokenType.StartArray or JsonTokenType.StartObject)
            _nested = new JsonIgnored(where);
        if (_nested is not null)
        {
            if (!_nested.Take(ref reader, parts))
                return false;
            receive(this);
            return true;
        }

        switch (reader.TokenType)
        {
            case JsonTokenType.True or JsonTokenType.False:
                receive(reader.GetBoolean());
                break;
            case JsonTokenType.String:
                receive(JsonFormat.ReadText(ref reader, where, memory));
                break;
            case JsonTokenType.Number:
                receive(reader.TryGetInt64(out long integer) ? integer : reader.TryGetDouble(out double number) ? number
                    : this);
                break;
        }

        return true;
    }
}
