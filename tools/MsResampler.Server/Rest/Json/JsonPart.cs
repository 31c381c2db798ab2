using System.Text.Json;

namespace MsResampler.Server.Rest.Json;

/// <summary>Reads one value of the JSON of a request, token by token, so that reading can stop wherever the bytes that
/// have arrived end.</summary>
internal abstract class JsonPart
{
    /// <summary>Takes the next token.</summary>
    /// <param name="reader">Stands on the token.</param>
    /// <param name="parts">Where a part puts another one, which takes the tokens after this one until it
    /// ends.</param>
    /// <returns>Whether the value has ended.</returns>
    public abstract bool Take(ref Utf8JsonReader reader, JsonParts parts);
}
