using System.Buffers;
using System.Text.Json;
using MsResampler.Server.Models;
using MsResampler.Server.Protocol;

namespace MsResampler.Server.Rest;

/// <summary>Health and metadata of the server and of models.</summary>
/// <param name="models">The models.</param>
internal sealed class MetadataEndpoints(ModelCatalog models)
{
    private static readonly byte[] s_live = [.. "{\"live\":true}"u8];
    private static readonly byte[] s_notLive = [.. "{\"live\":false}"u8];
    private static readonly byte[] s_ready = [.. "{\"ready\":true}"u8];
    private static readonly byte[] s_notReady = [.. "{\"ready\":false}"u8];
    private static readonly byte[] s_server = CreateServer();

    /// <summary>Answers whether the process can go on.</summary>
    public Task WriteLiveAsync(HttpContext context)
        => RestJson.WriteAsync(context, StatusOf(models.IsLive), models.IsLive ? s_live : s_notLive);

    /// <summary>Answers whether every model is ready.</summary>
    public Task WriteReadyAsync(HttpContext context)
        => models.IsReady ? RestJson.WriteAsync(context, StatusOf(true), s_ready)
            : RestJson.WriteAsync(context, StatusOf(false), s_notReady);

    /// <summary>Answers name, version and extensions of the server.</summary>
    public static Task WriteServerAsync(HttpContext context)
        => RestJson.WriteAsync(context, StatusCodes.Status200OK, s_server);

    /// <summary>Answers whether a model is ready.</summary>
    public Task WriteModelReadyAsync(HttpContext context)
    {
        ServedModel model = RestEndpoints.FindModel(models, context);
        bool isReady = model.State == ModelState.Ready && !models.IsDraining;
        return WriteAsync(context, StatusOf(isReady), writer =>
        {
            writer.WriteString("name"u8, model.Name);
            writer.WriteBoolean("ready"u8, isReady);
        });
    }

    /// <summary>Answers the inputs and outputs of a model.</summary>
    public Task WriteModelAsync(HttpContext context)
    {
        ServedModel model = RestEndpoints.FindModel(models, context);
        IReadOnlyList<TensorSpec> inputs = model.Inputs;
        IReadOnlyList<TensorSpec> outputs = model.Outputs;
        return WriteAsync(context, StatusCodes.Status200OK, writer =>
        {
            writer.WriteString("name"u8, model.Name);
            writer.WriteStartArray("versions"u8);
            writer.WriteStringValue(ServedModel.Version);
            writer.WriteEndArray();
            writer.WriteString("platform"u8, ServedModel.Platform);
            WriteTensors(writer, "inputs", inputs);
            WriteTensors(writer, "outputs", outputs);
        });
    }

    private static int StatusOf(bool isWell)
        => isWell ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;

    private static byte[] CreateServer() => [.. CreateObject(writer =>
    {
        writer.WriteString("name"u8, ServerIdentity.Name);
        writer.WriteString("version"u8, ServerIdentity.Version);
        writer.WriteStartArray("extensions"u8);
        foreach (string extension in ServerIdentity.Extensions)
            writer.WriteStringValue(extension);
        writer.WriteEndArray();
    }).Span];

    private static void WriteTensors(Utf8JsonWriter writer, string name, IReadOnlyList<TensorSpec> tensors)
    {
        writer.WriteStartArray(name);
        foreach (TensorSpec tensor in tensors)
        {
            writer.WriteStartObject();
            writer.WriteString("name"u8, tensor.Name);
            writer.WriteString("datatype"u8, Datatypes.NameOf(tensor.Datatypes[0]));
            writer.WriteStartArray("shape"u8);
            foreach (long extent in tensor.Shape)
                writer.WriteNumberValue(extent);
            writer.WriteEndArray();
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private static Task WriteAsync(HttpContext context, int status, Action<Utf8JsonWriter> writeMembers)
        => RestJson.WriteAsync(context, status, CreateObject(writeMembers));

    private static ReadOnlyMemory<byte> CreateObject(Action<Utf8JsonWriter> writeMembers)
    {
        ArrayBufferWriter<byte> json = new();
        using (Utf8JsonWriter writer = new(json, RestJson.Options))
        {
            writer.WriteStartObject();
            writeMembers(writer);
            writer.WriteEndObject();
        }

        return json.WrittenMemory;
    }
}
