using System.Text.Json;
using MsResampler.Files;

namespace MsResampler.Model;

/// <summary>Reads and validates config.json. All problems are collected and reported together.</summary>
public static class ConfigReader
{
    /// <summary>The value of <c>model_type</c>.</summary>
    public const string ModelType = "ms_resampler";

    private const int MaxExtent = 1 << 24;
    private const int MaxScopeCount = 1024;
    private const int MaxFileBytes = 16 << 20;

    /// <summary>Reads a configuration file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="warnings">Receives one sentence per unknown field.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read.</exception>
    /// <exception cref="InvalidModelException">A field is missing or wrong; all of them are named.</exception>
    public static ResamplerConfig ReadFile(string path, ICollection<string> warnings)
        => Read(ReadBytes(path), path, warnings);

    /// <summary>Parses a configuration.</summary>
    /// <param name="utf8Json">The file's bytes; a byte order mark is skipped.</param>
    /// <param name="source">The name of the configuration in error messages.</param>
    /// <param name="warnings">Receives one sentence per unknown field.</param>
    /// <exception cref="InvalidModelException">A field is missing or wrong; all of them are named.</exception>
    public static ResamplerConfig Read(ReadOnlyMemory<byte> utf8Json, string source, ICollection<string> warnings)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(warnings);
        return Parse(utf8Json, source, (root, problems) => ReadRoot(root, problems, warnings));
    }

    /// <summary>Parses a JSON text, and throws if <paramref name="read"/> records problems.</summary>
    internal static T Parse<T>(ReadOnlyMemory<byte> utf8Json, string source,
        Func<JsonElement, List<string>, T> read)
    {
        utf8Json = utf8Json[(utf8Json.Length - FileKind.WithoutMark(utf8Json.Span).Length)..];
        try
        {
            using JsonDocument document = JsonDocument.Parse(utf8Json, new() { AllowDuplicateProperties = false });
            List<string> problems = [];
            T config = read(document.RootElement, problems);
            if (problems.Count == 0)
                return config;
            // Without an object every field is missing, too.
            throw new InvalidModelException(source, document.RootElement.ValueKind == JsonValueKind.Object ? problems
                : problems[..1]);
        }
        // The parser accepts strings that are not valid Unicode; reading one throws InvalidOperationException.
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            ReadOnlySpan<byte> start = utf8Json.Span[..Math.Min(utf8Json.Length, FileKind.StartBytes)];
            throw new InvalidModelException(source, [FileKind.Describe(start) is { } kind
                ? $"expected JSON, found {kind}" : $"expected JSON: {e.Message}"], e);
        }
    }

    /// <summary>The bytes of a configuration file, without a byte order mark.</summary>
    /// <exception cref="InvalidModelException">The path is a folder, or the file is larger than 16 MiB.</exception>
    internal static byte[] ReadBytes(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (Directory.Exists(path))
            throw new InvalidModelException(path, ["expected a configuration file, found a folder"]);
        using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        return ReadBytes(stream, path);
    }

    /// <summary>The bytes of a configuration, without a byte order mark.</summary>
    /// <param name="bytes">The bytes.</param>
    /// <param name="source">The name of the configuration in error messages.</param>
    /// <exception cref="InvalidModelException">There are more than 16 MiB.</exception>
    internal static byte[] ReadBytes(ReadOnlyMemory<byte> bytes, string source)
        => bytes.Length <= MaxFileBytes ? FileKind.WithoutMark(bytes.Span).ToArray()
            : throw new InvalidModelException(source,
                [$"expected at most {MaxFileBytes} bytes, found {bytes.Length}"]);

    /// <summary>The bytes of a configuration, without a byte order mark, from a position of a stream to its
    /// end.</summary>
    /// <param name="stream">The stream; stays open.</param>
    /// <param name="source">The name of the configuration in error messages.</param>
    /// <exception cref="InvalidModelException">There are more than 16 MiB.</exception>
    internal static byte[] ReadBytes(Stream stream, string source)
    {
        // Reads to the end because pipes and devices do not report a length.
        using MemoryStream bytes = new();
        byte[] block = new byte[1 << 16];
        for (int count; (count = stream.Read(block)) > 0;)
        {
            bytes.Write(block, 0, count);
            if (bytes.Length > MaxFileBytes)
            {
                throw new InvalidModelException(source, [$"expected at most {MaxFileBytes} bytes, found " +
                    (stream.CanSeek && stream.Length > MaxFileBytes ? $"{stream.Length}" : "more")]);
            }
        }

        return FileKind.WithoutMark(bytes.GetBuffer().AsSpan(0, (int)bytes.Length)).ToArray();
    }

    private static ResamplerConfig ReadRoot(JsonElement root, List<string> problems, ICollection<string> warnings)
    {
        JsonFields fields = new(root, "", problems, warnings);
        fields.Choice("model_type", (ModelType, true));
        int headCount = fields.Extent("num_attention_heads", MaxExtent);
        int hiddenSize = fields.Extent("hidden_size", MaxExtent, fallback: 4 * headCount);
        if (hiddenSize % headCount != 0)
            fields.Problem("hidden_size", $"a multiple of num_attention_heads ({headCount})", hiddenSize.ToString());
        QueryGrid queryGrid = ReadQueryGrid(fields);
        List<ScopeConfig> scopes = ReadScopes(fields, hiddenSize);
        PositionEmbeddingConfig position = ReadPosition(fields.Object("position_embedding"), hiddenSize);
        GateConfig? gate = ReadGate(fields, scopes.Count);
        ResamplerConfig config = new()
        {
            VisionHiddenSize = fields.Extent("vision_hidden_size", MaxExtent),
            HiddenSize = hiddenSize,
            AttentionHeadCount = headCount,
            QueryGrid = queryGrid,
            OutputSize = fields.Extent("output_size", MaxExtent),
            Scopes = scopes,
            ShareQueries = fields.Flag("share_queries"),
            ShareKeyValues = fields.Flag("share_kv"),
            PositionEmbedding = position,
            Gate = gate,
            LayerNormEpsilon = fields.Positive("layer_norm_eps"),
            TorchDType = ReadWeightType(fields, warnings),
        };
        fields.WarnOfUnknown();
        return config;
    }

    /// <summary>The field <c>query_grid</c>.</summary>
    internal static QueryGrid ReadQueryGrid(JsonFields fields)
    {
        int[] grid = fields.Extents("query_grid", 2, MaxExtent);
        if ((long)grid[0] * grid[1] > MaxExtent)
            fields.Problem("query_grid", $"at most {MaxExtent} queries", $"{grid[0]}x{grid[1]}");
        return new QueryGrid(grid[0], grid[1]);
    }

    /// <summary>The field <c>scopes</c>.</summary>
    internal static List<ScopeConfig> ReadScopes(JsonFields fields, int hiddenSize)
    {
        int maxScopeCount = Math.Min(MaxScopeCount, int.MaxValue / hiddenSize);
        return [.. fields.Array("scopes", maxScopeCount, $"scopes of hidden_size {hiddenSize}").Select(ReadScope)];
    }

    /// <summary>The field <c>gate</c>; null with one scope, which needs none.</summary>
    internal static GateConfig? ReadGate(JsonFields fields, int scopeCount)
    {
        GateConfig? gate = fields.Object("gate", isRequired: scopeCount > 1) is { } gateFields
            ? ReadGate(gateFields) : null;
        return scopeCount > 1 ? gate : null;
    }

    /// <summary>The value of <c>dtype</c> or of the older <c>torch_dtype</c>. As in transformers, <c>dtype</c> takes
    /// precedence. Both may be missing or null, because every tensor has a type of its own.</summary>
    private static WeightType ReadWeightType(JsonFields fields, ICollection<string> warnings)
    {
        WeightType? newer = Read("dtype");
        WeightType? older = Read("torch_dtype");
        if (newer is not null && older is not null && newer != older)
            warnings.Add("field 'torch_dtype' was ignored: 'dtype' has another value");
        return newer ?? older ?? WeightType.Float32;

        WeightType? Read(string name)
        {
            fields.Known(name);
            return fields.HasValue(name)
                ? fields.Choice(name, ("float32", WeightType.Float32), ("float16", WeightType.Float16),
                    ("bfloat16", WeightType.BFloat16), ("float64", WeightType.Float64))
                : null;
        }
    }

    private static ScopeConfig ReadScope(JsonFields fields)
    {
        ScopePrior prior = fields.Choice("prior", ("none", ScopePrior.None), ("window", ScopePrior.Window),
            ("gaussian", ScopePrior.Gaussian));
        ScopeUnits units = fields.Has("units")
            ? fields.Choice("units", ("patches", ScopeUnits.Patches), ("fraction", ScopeUnits.Fraction))
            : ScopeUnits.Patches;
        bool hasWindow = prior == ScopePrior.Window || (prior == ScopePrior.Gaussian && fields.Has("window"));
        ScopeConfig scope = new()
        {
            Name = fields.Text("name"),
            Prior = prior,
            Units = units,
            Window = !hasWindow ? null : units == ScopeUnits.Fraction
                ? fields.PositivePair("window")
                : fields.Extents("window", 2, int.MaxValue) is var extents
                    ? new AxisPair(extents[0], extents[1]) : default,
            Border = hasWindow && fields.Has("border")
                ? fields.Choice("border", ("clip", WindowBorder.Clip), ("shift", WindowBorder.Shift))
                : WindowBorder.Clip,
            Sigma = prior == ScopePrior.Gaussian ? fields.PositivePair("sigma") : null,
        };
        fields.WarnOfUnknown();
        return scope;
    }

    private static PositionEmbeddingConfig ReadPosition(JsonFields? fields, int hiddenSize)
    {
        if (fields is null)
            return new PositionEmbeddingConfig(PositionEmbeddingType.None, PositionEmbeddingType.None);
        FrameEmbeddingType frames = !fields.Has("frames") ? FrameEmbeddingType.None : fields.Choice("frames",
            ("sincos1d", FrameEmbeddingType.SinCos1D), ("none", FrameEmbeddingType.None));
        if (frames == FrameEmbeddingType.SinCos1D && hiddenSize % 2 != 0)
            fields.Problem("frames", "a hidden_size that is a multiple of 2 for sincos1d", $"hidden_size {hiddenSize}");
        PositionEmbeddingConfig position = fields.Has("type") || fields.HasFlag("keys") || fields.HasFlag("queries")
            ? ReadCommonPosition(fields, hiddenSize)
            : new PositionEmbeddingConfig(ReadPosition(fields, "keys", hiddenSize),
                ReadPosition(fields, "queries", hiddenSize));
        fields.WarnOfUnknown();
        return position with { Frames = frames };
    }

    /// <summary>One type, and a flag for each side.</summary>
    private static PositionEmbeddingConfig ReadCommonPosition(JsonFields fields, int hiddenSize)
    {
        fields.Known("keys", "queries");
        PositionEmbeddingType type = ReadPosition(fields, "type", hiddenSize);
        return type == PositionEmbeddingType.None ? new PositionEmbeddingConfig(type, type)
            : new PositionEmbeddingConfig(Side("keys"), Side("queries"));

        PositionEmbeddingType Side(string name) => fields.Flag(name) ? type : PositionEmbeddingType.None;
    }

    private static PositionEmbeddingType ReadPosition(JsonFields fields, string name, int hiddenSize)
    {
        PositionEmbeddingType type = fields.Choice(name, ("sincos2d", PositionEmbeddingType.SinCos2D),
            ("stored", PositionEmbeddingType.Stored), ("none", PositionEmbeddingType.None));
        if (type == PositionEmbeddingType.SinCos2D && hiddenSize % 4 != 0)
            fields.Problem(name, "a hidden_size that is a multiple of 4 for sincos2d", $"hidden_size {hiddenSize}");
        return type;
    }

    private static GateConfig ReadGate(JsonFields fields)
    {
        fields.Choice("type", ("mlp", true));
        GateConfig gate = new(fields.Extent("hidden_size", MaxExtent),
            fields.Choice("granularity", ("token", GateGranularity.Token), ("head", GateGranularity.Head)));
        fields.WarnOfUnknown();
        return gate;
    }
}
