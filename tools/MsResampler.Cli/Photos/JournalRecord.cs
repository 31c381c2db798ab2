using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace MsResampler.Cli.Photos;

/// <summary>A line of the sidecar: a photo and its tokens, or why it has none.</summary>
/// <param name="File">The name of the photo.</param>
/// <param name="Place">Where the tokens are; null for a bad photo.</param>
/// <param name="Error">Why there are no tokens; null for a good photo.</param>
internal sealed record JournalRecord(string File, TokenPlace? Place, string? Error)
{
    private const string Good = "ok";
    private const string Bad = "error";

    // Names in any script stay readable; the characters that JSON requires are escaped.
    private static readonly JsonWriterOptions s_options = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>The line, with its end.</summary>
    public byte[] ToLine()
    {
        ArrayBufferWriter<byte> line = new();
        using (Utf8JsonWriter json = new(line, s_options))
        {
            json.WriteStartObject();
            json.WriteString("file", File);
            if (Place is { } place)
            {
                json.WriteStartArray("grid");
                json.WriteNumberValue(place.Grid.Rows);
                json.WriteNumberValue(place.Grid.Columns);
                json.WriteEndArray();
                json.WriteString("shard", place.Shard);
                json.WriteString("tensor", place.Tensor);
                json.WriteString("status", Good);
                json.WriteNumber("crc32", place.Checksum);
            }
            else
            {
                json.WriteString("status", Bad);
                json.WriteString("error", Error);
            }

            json.WriteEndObject();
        }

        line.Write("\n"u8);
        return line.WrittenSpan.ToArray();
    }

    /// <summary>Reads a line without its end.</summary>
    /// <returns>The record; null if the line is not one.</returns>
    public static JournalRecord? Parse(ReadOnlyMemory<byte> line)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(line);
            JsonElement root = document.RootElement;
            string file = root.GetProperty("file").GetString()!;
            if (root.GetProperty("status").GetString() == Bad)
                return new JournalRecord(file, null, root.GetProperty("error").GetString()!);
            JsonElement grid = root.GetProperty("grid");
            return new JournalRecord(file, new TokenPlace(new PatchGrid(grid[0].GetInt32(), grid[1].GetInt32()),
                root.GetProperty("shard").GetString()!, root.GetProperty("tensor").GetString()!,
                root.GetProperty("crc32").GetUInt32()), null);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException
            or KeyNotFoundException or FormatException or ArgumentException or IndexOutOfRangeException)
        {
            return null;
        }
    }
}
