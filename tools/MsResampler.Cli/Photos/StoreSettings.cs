using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using MsResampler.Files;
using MsResampler.Safetensors;

namespace MsResampler.Cli.Photos;

/// <summary>What the tokens of an output folder depend on. A run can be resumed only with the same.</summary>
internal sealed record StoreSettings
{
    /// <summary>The start of the names of the steps that prepare a photo.</summary>
    public const string PreprocessingPrefix = "preprocessing.";

    private const int UnitRatio = 1_024;

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
    /// <exception cref="InputException">The file cannot be read, or settings differ; all of them are
    /// named.</exception>
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
        string[] differences = [.. now.Keys.Union(earlier.Keys).Order(StringComparer.Ordinal)
            .Select(name => (Name: name, Earlier: Shown(name, earlier), Now: Shown(name, now)))
            .Where(setting => setting.Earlier != setting.Now)
            .Select(setting => $"{OptionOf(setting.Name)} {setting.Earlier}, now {setting.Now}")];
        if (differences.Length > 0)
        {
            throw new InputException($"{path}: an earlier run has started this output with other settings: " +
                $"{string.Join("; ", differences)}; use the same settings, or another folder as --out");
        }
    }

    /// <summary>The option that a setting comes from, as the user knows it.</summary>
    private static string OptionOf(string name) => name switch
    {
        "model" or "encoder" => $"the content of --{name}",
        "tokens" => "the tokens of a photo",
        "shard_bytes" => "--shard-size",
        _ when name.StartsWith(PreprocessingPrefix, StringComparison.Ordinal)
            => $"--preprocess ({name[PreprocessingPrefix.Length..]})",
        _ => $"--{name.Replace('_', '-')}",
    };

    private static string Shown(string name, IReadOnlyDictionary<string, string> settings)
        => settings.GetValueOrDefault(name, "") switch
        {
            "" => "not given",
            var value when name == "dtype" => value.ToLowerInvariant(),
            var value when name == "shard_bytes" && long.TryParse(value, out long bytes) => SizeText(bytes),
            var value => value,
        };

    /// <summary>A size as the option takes it, such as 256MiB.</summary>
    private static string SizeText(long bytes)
    {
        string[] units = ["B", "KiB", "MiB", "GiB"];
        int unit = 0;
        for (; unit < units.Length - 1 && bytes % UnitRatio == 0; unit++)
            bytes /= UnitRatio;
        return FormattableString.Invariant($"{bytes}{units[unit]}");
    }
}
