using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Microsoft.Extensions.AI;

namespace MsResampler.Vision;

/// <summary>Visual tokens as JSON, for caches. The values are the Base64 text of little-endian float32, so that they
/// keep their bits and are a quarter of the length of decimal numbers.</summary>
internal sealed class VisualTokensJsonConverter : JsonConverter<VisualTokens>
{
    private const string CountName = "count";
    private const string WidthName = "width";
    private const string RowsName = "rows";
    private const string ColumnsName = "columns";
    private const string TokensName = "tokens";
    private const string ModelName = "modelId";
    private const string CreatedName = "createdAt";
    private const string AdditionalName = "additionalProperties";

    public override VisualTokens Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        using JsonDocument document = JsonDocument.ParseValue(ref reader);
        JsonElement json = document.RootElement;
        if (json.ValueKind != JsonValueKind.Object)
            throw new JsonException($"visual tokens: expected an object, found {json.ValueKind}");
        int count = Number(json, CountName);
        int width = Number(json, WidthName);
        JsonElement text = Field(json, TokensName);
        if (text.ValueKind != JsonValueKind.String || !text.TryGetBytesFromBase64(out byte[]? bytes))
            throw new JsonException($"visual tokens: expected Base64 in '{TokensName}', found {text.ValueKind}");
        if (bytes.Length != (long)count * width * sizeof(float))
        {
            throw new JsonException($"visual tokens: expected {count} x {width} values of {sizeof(float)} bytes in " +
                $"'{TokensName}', found {bytes.Length} bytes");
        }

        float[] tokens = new float[bytes.Length / sizeof(float)];
        bytes.CopyTo(MemoryMarshal.AsBytes(tokens.AsSpan()));
        ToLittleEndian(tokens);
        return new VisualTokens(tokens, count, width, new PatchGrid(Number(json, RowsName), Number(json, ColumnsName)))
        {
            ModelId = json.TryGetProperty(ModelName, out JsonElement model) ? model.GetString() : null,
            CreatedAt = json.TryGetProperty(CreatedName, out JsonElement created) ? created.GetDateTimeOffset() : null,
            AdditionalProperties = json.TryGetProperty(AdditionalName, out JsonElement additional)
                ? additional.Deserialize(AdditionalType(options)) : null,
        };
    }

    public override void Write(Utf8JsonWriter writer, VisualTokens value, JsonSerializerOptions options)
    {
        writer.WriteStartObject();
        writer.WriteNumber(CountName, value.Count);
        writer.WriteNumber(WidthName, value.Width);
        writer.WriteNumber(RowsName, value.Grid.Rows);
        writer.WriteNumber(ColumnsName, value.Grid.Columns);
        if (value.ModelId is { } model)
            writer.WriteString(ModelName, model);
        if (value.CreatedAt is { } created)
            writer.WriteString(CreatedName, created);
        if (value.AdditionalProperties is { } additional)
        {
            writer.WritePropertyName(AdditionalName);
            JsonSerializer.Serialize(writer, additional, AdditionalType(options));
        }

        ReadOnlySpan<float> tokens = value.Tokens.Span;
        if (!BitConverter.IsLittleEndian)
        {
            float[] copy = tokens.ToArray();
            ToLittleEndian(copy);
            tokens = copy;
        }

        writer.WriteBase64String(TokensName, MemoryMarshal.AsBytes(tokens));
        writer.WriteEndObject();
    }

    private static JsonTypeInfo<AdditionalPropertiesDictionary> AdditionalType(JsonSerializerOptions options)
        => (JsonTypeInfo<AdditionalPropertiesDictionary>)options.GetTypeInfo(typeof(AdditionalPropertiesDictionary));

    /// <summary>Exchanges the bytes of each value on a machine with the other order.</summary>
    private static void ToLittleEndian(Span<float> values)
    {
        if (BitConverter.IsLittleEndian)
            return;
        Span<int> bits = MemoryMarshal.Cast<float, int>(values);
        BinaryPrimitives.ReverseEndianness(bits, bits);
    }

    private static JsonElement Field(JsonElement json, string name)
        => json.TryGetProperty(name, out JsonElement field) ? field
            : throw new JsonException($"visual tokens: expected a field '{name}', found none");

    private static int Number(JsonElement json, string name)
    {
        JsonElement field = Field(json, name);
        return field.ValueKind == JsonValueKind.Number && field.TryGetInt32(out int number) && number >= 0 ? number
            : throw new JsonException($"visual tokens: expected a number of at least 0 in '{name}', found " +
                $"{field.GetRawText()}");
    }
}
