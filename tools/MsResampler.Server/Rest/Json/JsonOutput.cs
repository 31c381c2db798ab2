using MsResampler.Server.Inputs;
using MsResampler.Server.Limits;

namespace MsResampler.Server.Rest.Json;

/// <summary>An output that a request asks for.</summary>
/// <param name="index">The index of the output.</param>
/// <param name="memory">Where the memory of texts is reserved.</param>
/// <param name="receive">Takes the output.</param>
internal sealed class JsonOutput(int index, MemoryLease memory, Action<OutputRequest> receive)
    : JsonObject($"outputs[{index}]", memory)
{
    private string? _name;
    private JsonParameters? _parameters;

    protected override JsonPart? CreateMember(string name) => name switch
    {
        "name" => new JsonText($"{Where}.name", Memory, text => _name = text),
        "parameters" => _parameters = new JsonParameters($"{Where}.parameters", Memory),
        _ => null,
    };

    protected override void Complete() => receive(new OutputRequest(
        _name ?? throw Invalid("expected a member 'name', found none"), _parameters?.Values ?? Parameters.None));
}
