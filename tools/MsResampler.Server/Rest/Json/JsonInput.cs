using System.Text.Json;
using MsResampler.Server.Inputs;
using MsResampler.Server.Limits;
using MsResampler.Server.Protocol;

namespace MsResampler.Server.Rest.Json;

/// <summary>An input of a request. If its name, type and shape come before its data, the values go straight to the
/// tensor.</summary>
/// <param name="index">The index of the input.</param>
/// <param name="request">The request that it belongs to.</param>
/// <param name="memory">Where memory is reserved.</param>
internal sealed class JsonInput(int index, JsonRequest request, MemoryLease memory)
    : JsonObject($"inputs[{index}]", memory)
{
    private const string BinaryDataSize = "binary_data_size";

    private string? _name;
    private string? _datatype;
    private JsonShape? _shape;
    private JsonParameters? _parameters;
    private InputTensor? _tensor;
    private JsonPart? _data;

    protected override JsonPart? CreateMember(string name) => name switch
    {
        "name" => new JsonText($"{Where}.name", Memory, text => _name = text),
        "datatype" => new JsonText($"{Where}.datatype", Memory, text => _datatype = text),
        "shape" => _shape = new JsonShape($"{Where}.shape"),
        "parameters" => _parameters = new JsonParameters($"{Where}.parameters", Memory),
        "data" => _data = CreateData(),
        _ => null,
    };

    protected override void Complete()
    {
        _tensor ??= Declare();
        long? binaryLength = _parameters?.Values.FindInteger(BinaryDataSize);
        if (_data is not null && binaryLength is not null)
        {
            throw Invalid($"expected a member 'data' or a parameter '{BinaryDataSize}', found both");
        }

        if (_data is not null)
        {
            if (_data is JsonCapturedData captured)
                Replay(captured);
            _tensor.Complete();
            return;
        }

        request.AddBinary(_tensor, binaryLength
            ?? throw Invalid($"expected a member 'data' or a parameter '{BinaryDataSize}', found neither"));
    }

    private JsonPart CreateData()
    {
        if (_name is null || _datatype is null || _shape?.Extents is null)
            return request.Capture($"{Where}.data");
        _tensor = Declare();
        return new JsonTensorData(_tensor, _shape.Extents, Memory);
    }

    private InputTensor Declare()
    {
        string name = _name ?? throw Missing("name");
        string datatype = _datatype ?? throw Missing("datatype");
        return request.Inputs.Declare(name, datatype, _shape?.Extents ?? throw Missing("shape"));
    }

    private ServerException Missing(string member) => Invalid($"expected a member '{member}', found none");

    private void Replay(JsonCapturedData captured)
    {
        JsonTensorData data = new(_tensor!, _shape!.Extents!, Memory);
        JsonParts parts = new(data);
        Utf8JsonReader reader = new(captured.Text);
        while (reader.Read())
            parts.Take(ref reader);
        captured.Dispose();
    }
}
