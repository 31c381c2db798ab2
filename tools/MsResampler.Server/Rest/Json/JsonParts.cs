using System.Text.Json;

namespace MsResampler.Server.Rest.Json;

/// <summary>The values that have begun and not ended, the innermost on top.</summary>
internal sealed class JsonParts
{
    private readonly Stack<JsonPart> _parts = new();

    /// <summary>Starts with the outermost value.</summary>
    public JsonParts(JsonPart root) => _parts.Push(root);

    /// <summary>Makes a part the innermost one.</summary>
    public void Push(JsonPart part) => _parts.Push(part);

    /// <summary>Gives a token to the innermost part.</summary>
    public void Take(ref Utf8JsonReader reader)
    {
        JsonPart part = _parts.Peek();
        if (part.Take(ref reader, this))
            _parts.Pop();
    }
}
