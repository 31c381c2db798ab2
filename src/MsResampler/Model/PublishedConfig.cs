using System.Buffers;
using System.Globalization;
using System.Text.Json;

namespace MsResampler.Model;

/// <summary>The few fields of a published config.json that tell layouts apart. Other fields, such as the number of
/// attention heads and the ε, are the language model's and are not read.</summary>
internal sealed class PublishedConfig
{
    private const string OwnField = "scopes";

    private static readonly string[] s_classSuffixes =
        ["model", "lmheadmodel", "forcausallm", "forconditionalgeneration"];

    private static readonly SearchValues<char> s_versionCharacters = SearchValues.Create("0123456789._");

    private PublishedConfig(JsonElement root)
    {
        string modelType = Text(root, "model_type") ?? "";
        IEnumerable<string> classes = root.TryGetProperty("architectures", out JsonElement architectures)
            && architectures.ValueKind == JsonValueKind.Array
                ? architectures.EnumerateArray().Select(AsText).OfType<string>() : [];
        ModelType = Family(modelType) ?? classes.Select(Family).FirstOrDefault(family => family is not null)
            ?? modelType;
        IsOwn = ModelType == ConfigReader.ModelType || (!IsKnown && root.TryGetProperty(OwnField, out _));
        HasFrames = root.TryGetProperty("batch_3d_resampler", out _);
        QueryCount = Count(root, "query_num") ?? Count(root, "num_query");
        VersionText = !root.TryGetProperty("version", out JsonElement version) ? null
            : version.ValueKind == JsonValueKind.Number ? version.GetRawText() : AsText(version);
        Version = VersionText is null ? null : ParseVersion(VersionText);
    }

    /// <summary>The family in lower case, from <c>model_type</c> or else from <c>architectures</c>.</summary>
    public string ModelType { get; }

    /// <summary>Whether this is the configuration of this project's own layout.</summary>
    public bool IsOwn { get; }

    /// <summary>Whether a layout has this model type.</summary>
    public bool IsKnown => CheckpointLayout.All.Any(layout => layout.ModelType == ModelType);

    /// <summary>Whether the configuration has a field for groups of frames.</summary>
    public bool HasFrames { get; }

    /// <summary>The number of queries, or null.</summary>
    public int? QueryCount { get; }

    /// <summary>The version as it is written, or null.</summary>
    public string? VersionText { get; }

    /// <summary>The version, such as 2.6; null if there is none, or none that is a number.</summary>
    public decimal? Version { get; }

    /// <summary>Reads a configuration. Returns null if it is not a JSON object.</summary>
    public static PublishedConfig? Read(ReadOnlyMemory<byte> utf8Json)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(utf8Json);
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? new PublishedConfig(document.RootElement) : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>The known model type of a type or class: that of "MiniCPMVForCausalLM" is "minicpmv". Other names
    /// that begin like one, such as "minicpmv4_6", are of other models.</summary>
    private static string? Family(string name)
    {
        name = name.ToLowerInvariant();
        return CheckpointLayout.All.Select(layout => layout.ModelType).FirstOrDefault(type => name == type
            || s_classSuffixes.Any(suffix => name.Length == type.Length + suffix.Length
                && name.StartsWith(type, StringComparison.Ordinal) && name.EndsWith(suffix, StringComparison.Ordinal)));
    }

    private static decimal? ParseVersion(string text)
    {
        ReadOnlySpan<char> digits = text.AsSpan().Trim().TrimStart("vV");
        int length = digits.IndexOfAnyExcept(s_versionCharacters);
        string number = (length < 0 ? digits : digits[..length]).ToString().Replace('_', '.');
        return decimal.TryParse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture,
            out decimal version) ? version : null;
    }

    private static int? Count(JsonElement root, string name)
        => root.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number
            && value.TryGetInt32(out int count) ? count : null;

    private static string? Text(JsonElement root, string name)
        => root.TryGetProperty(name, out JsonElement value) ? AsText(value) : null;

    private static string? AsText(JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.String)
            return null;
        try
        {
            return value.GetString();
        }
        catch (InvalidOperationException)
        {
            return null; // not valid Unicode
        }
    }
}
