using System.Text.Json;
using MsResampler.Server.Limits;
using MsResampler.Server.Protocol;

namespace MsResampler.Server.Rest.Json;

/// <summary>An object of a request. Members that the server does not know are ignored.</summary>
/// <param name="where">The part of the request, for messages.</param>
/// <param name="memory">Where the memory of texts is reserved.</param>
internal abstract class JsonObject(string where, MemoryLease memory) : JsonPart
{
    private const int LargestCount = 512;

    private readonly HashSet<string> _names = [];
    private bool _isOpen;

    /// <summary>The part of the request, for messages.</summary>
    protected string Where => where;

    /// <summary>Where the memory of texts is reserved.</summary>
    protected MemoryLease Memory => memory;

    /// <summary>Whether null stands for an absent object.</summary>
    protected virtual bool AllowsNull => false;

    public override bool Take(ref Utf8JsonReader reader, JsonParts parts)
    {
        if (!_isOpen)
        {
            if (AllowsNull && reader.TokenType == JsonTokenType.Null)
                return true;
            if (reader.TokenType != JsonTokenType.StartObject)
                throw JsonFormat.Unexpected(where, "an object", ref reader);
            _isOpen = true;
            return false;
        }

        if (reader.TokenType == JsonTokenType.EndObject)
        {
            Complete();
            return true;
        }

        string name = JsonFormat.ReadText(ref reader, where, memory);
        if (!_names.Add(name))
            throw JsonFormat.Invalid(where, $"{Quoted.Of(name)} appears twice");
        if (_names.Count > LargestCount)
            throw JsonFormat.Invalid(where, $"expected at most {LargestCount} members, found more");
        parts.Push(CreateMember(name) ?? new JsonIgnored(where));
        return false;
    }

    /// <summary>Creates what reads the value of a member; null to ignore it.</summary>
    protected abstract JsonPart? CreateMember(string name);

    /// <summary>Called at the end of the object.</summary>
    protected virtual void Complete()
    {
    }

    /// <summary>The error for a part of this object.</summary>
    protected ServerException Invalid(string message) => JsonFormat.Invalid(where, message);
}
