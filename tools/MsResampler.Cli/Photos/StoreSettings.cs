using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using MsResampler.Files;
using MsResampler.Safetensors;

namespace MsResampler.Cli.Photos;

/// <summary>What the tokens of an output folder depend on. A run can be resumed only with the same.</summary>
internal sealed record StoreSettings
{
    /// <summary>The part of the photos.</summary>
    public required WorkShare Share { get; init; }

    /// <summary>The type of the tokens: F32, F16 or BF16.</summary>
    public required TensorType Type { get; init; }

    /// <summary>M, the number of tokens of a photo.</summary>
    public required int TokenCount { get; init; }

    /// <summary>L, the number of values of a token.</summary>
    public required int TokenWidth { get; init; }

    /// <summary>The largest number of bytes of tokens in a shard. A shard has at least one photo.</summary>
    public required long ShardBytes { get; init; }

    /// <summary>What else the tokens depend on, by names for messages: the model, the encoder, the
    /// preprocessing.</summary>
    public IReadOnlyDictionary<string, string> Origin { get; init; } = new Dictionary<string, string>();

    /// <summary>The bytes of a photo's tokens.</summary>
    public int PhotoBytes => checked(TokenCount * TokenWidth * (TensorTypes.BitsOf(Type) / 8));

    /// <summary>Everything as text.</summary>
    public IReadOnlyDictionary<string, string> ToText() => new SortedDictionary<string, string>(
        Origin.ToDictionary(), StringComparer.Ordinal)
    {
        ["dtype"] = $"{Type}",
        ["tokens"] = FormattableString.Invariant($"{TokenCount}x{TokenWidth}"),
        ["shard_bytes"] = FormattableString.Invariant($"{ShardBytes}"),
        ["shard"] = $"{Share}",
    };

    /// <summary>Writes the settings to a file.</summary>
    public void Write(string path, CancellationToken cancellationToken)
    {
        ArrayBufferWriter<byte> bytes = new();
        using (Utf8JsonWriter json = new(bytes, new JsonWriterOptions
        {
            Indented = true,
            Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        }))
        {
            json.WriteStartObject();
            foreach ((string name, string value) in ToText())
                json.WriteString(name, value);
            json.WriteEndObject();
        }

        bytes.Write("\n"u8);
        using AtomicFile file = new(path);
        file.Stream.Write(bytes.WrittenSpan);
        file.Commit(cancellationToken);
    }

    /// <summary>Compares the settings with those of a file.</summary>
    /// <exception cref="InputException">The file cannot be read, or a setting differs.</exception>
    public void RequireEqual(string path)
    {
        Dictionary<string, string> earlier;
        try
        {
            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
            earlier = document.RootElement.EnumerateObject()
                .ToDictionary(field => field.Name, field => field.Value.GetString() ?? "");
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or ArgumentException)
        {
            throw new InputException($"{path}: expected the settings of an earlier run as JSON: {exception.Message}",
                exception);
        }

        IReadOnlyDictionary<string, string> now = ToText();
        foreach (string name in now.Keys.Union(earlier.Keys).Order(StringComparer.Ordinal))
        {
            string found = now.GetValueOrDefault(name, "nothing");
            string expected = earlier.GetValueOrDefault(name, "nothing");
            if (found != expected)
            {
                throw new InputException($"{path}: an earlier run has started this output with {name} = {expected}, " +
                    $"found {found}; use the same settings, or another folder as --out");
            }
        }
    }
}
