using MsResampler.Server.Inputs;
using MsResampler.Server.Limits;

namespace MsResampler.Server.Rest.Json;

/// <summary>Parameters of a request, an input or an output.</summary>
/// <param name="where">The part of the request, for messages.</param>
/// <param name="memory">Where the memory of texts is reserved.</param>
internal sealed class JsonParameters(string where, MemoryLease memory) : JsonObject(where, memory)
{
    /// <summary>The parameters that have arrived.</summary>
    public Parameters Values { get; } = new();

    protected override bool AllowsNull => true;

    protected override JsonPart CreateMember(string name)
        => new JsonParameterValue(Where, Memory, value => Values.Add(name, value));
}
