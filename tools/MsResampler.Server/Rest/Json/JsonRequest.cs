using System.Buffers;
using System.Text.Json;
using MsResampler.Server.Inputs;
using MsResampler.Server.Limits;
using MsResampler.Server.Protocol;

namespace MsResampler.Server.Rest.Json;

/// <summary>The JSON of a request while it arrives.</summary>
/// <param name="inputs">Receives the tensors.</param>
/// <param name="memory">Where memory is reserved.</param>
/// <param name="allowsBinary">Whether binary data follow the JSON.</param>
internal sealed class JsonRequest(RequestInputs inputs, MemoryLease memory, bool allowsBinary)
    : JsonObject("the request", memory), IDisposable
{
    private const int LargestInputCount = 16;
    private const int LargestOutputCount = 16;

    private readonly List<(InputTensor Tensor, long Length)> _binary = [];
    private readonly List<OutputRequest> _outputs = [];
    private JsonParameters? _parameters;
    private JsonCapturedData? _captured;
    private JsonParts? _parts;
    private JsonReaderState _state = new(new JsonReaderOptions { MaxDepth = JsonFormat.LargestDepth });

    /// <summary>Receives the tensors.</summary>
    public RequestInputs Inputs => inputs;

    /// <summary>The identifier of the request, or null.</summary>
    public string? Id { get; private set; }

    /// <summary>The parameters of the request.</summary>
    public Parameters Parameters => _parameters?.Values ?? Parameters.None;

    /// <summary>The outputs that the request names.</summary>
    public IReadOnlyList<OutputRequest> Outputs => _outputs;

    /// <summary>The tensors whose values follow the JSON, in order, with their numbers of bytes.</summary>
    public IReadOnlyList<(InputTensor Tensor, long Length)> Binary => _binary;

    /// <summary>Reads the next part of the JSON.</summary>
    /// <param name="text">The bytes that were not read before and those after them.</param>
    /// <param name="isFinal">Whether they are the last.</param>
    /// <returns>The number of bytes that were read.</returns>
    /// <exception cref="ServerException">The text is not JSON, or a part of the request is wrong.</exception>
    public long Read(ReadOnlySequence<byte> text, bool isFinal)
    {
        _parts ??= new JsonParts(this);
        Utf8JsonReader reader = new(text, isFinal, _state);
        try
        {
            while (reader.Read())
                _parts.Take(ref reader);
        }
        catch (JsonException exception)
        {
            throw new ServerException(ErrorKind.InvalidRequest, $"the JSON of the request is not valid at line "
                + $"{exception.LineNumber + 1}, byte {exception.BytePositionInLine + 1}: {ReasonOf(exception)}",
                exception);
        }

        _state = reader.CurrentState;
        return reader.BytesConsumed;
    }

    /// <summary>Adds a tensor whose values follow the JSON.</summary>
    internal void AddBinary(InputTensor tensor, long length)
    {
        if (!allowsBinary)
        {
            throw new ServerException(ErrorKind.InvalidRequest, $"input '{tensor.Name}': expected the header "
                + $"{RestHeaders.JsonLength}, which 'binary_data_size' needs, found none");
        }

        tensor.StartRaw(length);
        if (length < 0)
        {
            throw new ServerException(ErrorKind.InvalidRequest,
                $"input '{tensor.Name}': expected a 'binary_data_size' of at least 0, found {length}");
        }

        _binary.Add((tensor, length));
    }

    /// <summary>Keeps the values of a tensor until its name, type and shape are known.</summary>
    internal JsonCapturedData Capture(string where) => _captured = new JsonCapturedData(where, Memory);

    /// <summary>Returns memory.</summary>
    public void Dispose() => _captured?.Dispose();

    protected override JsonPart? CreateMember(string name) => name switch
    {
        "id" => new JsonText("id", Memory, text => Id = text),
        "parameters" => _parameters = new JsonParameters("parameters", Memory),
        "inputs" => new JsonList("inputs", LargestInputCount, index => new JsonInput(index, this, Memory)),
        "outputs" => new JsonList("outputs", LargestOutputCount,
            index => new JsonOutput(index, Memory, _outputs.Add)),
        _ => null,
    };

    // The reader's own message ends with the position, which is said before.
    private static string ReasonOf(JsonException exception)
    {
        int end = exception.Message.IndexOf(" LineNumber:", StringComparison.Ordinal);
        return end < 0 ? exception.Message : exception.Message[..end];
    }
}
