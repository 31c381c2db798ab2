using System.Buffers;
using System.Text.Json;

namespace MsResampler.Model;

/// <summary>Writes a configuration as config.json.</summary>
public static class ConfigWriter
{
    private static readonly JsonWriterOptions s_indented = new() { Indented = true };

    /// <summary>The bytes of config.json, in UTF-8. <see cref="ConfigReader"/> reads them as an equal configuration:
    /// every number is written so that it is read back with the same bits.</summary>
    /// <param name="config">A valid configuration.</param>
    /// <exception cref="ArgumentOutOfRangeException">An enumeration has a value that it does not define.</exception>
    public static byte[] Write(ResamplerConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArrayBufferWriter<byte> bytes = new();
        using (Utf8JsonWriter json = new(bytes, s_indented))
            Write(json, config);
        bytes.Write("\n"u8);
        return bytes.WrittenSpan.ToArray();
    }

    private static void Write(Utf8JsonWriter json, ResamplerConfig config)
    {
        json.WriteStartObject();
        json.WriteString("model_type", ConfigReader.ModelType);
        json.WriteNumber("vision_hidden_size", config.VisionHiddenSize);
        json.WriteNumber("hidden_size", config.HiddenSize);
        json.WriteNumber("num_attention_heads", config.AttentionHeadCount);
        WritePair(json, "query_grid", config.QueryGrid.Rows, config.QueryGrid.Columns);
        json.WriteNumber("output_size", config.OutputSize);
        json.WriteStartArray("scopes");
        foreach (ScopeConfig scope in config.Scopes)
            Write(json, scope);
        json.WriteEndArray();
        json.WriteBoolean("share_queries", config.ShareQueries);
        json.WriteBoolean("share_kv", config.ShareKeyValues);
        Write(json, config.PositionEmbedding);
        if (config.Gate is { } gate)
        {
            json.WriteStartObject("gate");
            json.WriteString("type", "mlp");
            json.WriteNumber("hidden_size", gate.HiddenSize);
            json.WriteString("granularity", gate.Granularity switch
            {
                GateGranularity.Token => "token",
                GateGranularity.Head => "head",
                _ => throw Undefined(gate.Granularity),
            });
            json.WriteEndObject();
        }

        json.WriteNumber("layer_norm_eps", config.LayerNormEpsilon);
        json.WriteString("torch_dtype", WeightTypes.NameOf(config.TorchDType));
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, ScopeConfig scope)
    {
        json.WriteStartObject();
        json.WriteString("name", scope.Name);
        json.WriteString("prior", scope.Prior switch
        {
            ScopePrior.None => "none",
            ScopePrior.Window => "window",
            ScopePrior.Gaussian => "gaussian",
            _ => throw Undefined(scope.Prior),
        });
        json.WriteString("units", scope.Units switch
        {
            ScopeUnits.Patches => "patches",
            ScopeUnits.Fraction => "fraction",
            _ => throw Undefined(scope.Units),
        });
        if (scope.Window is { } window)
        {
            WritePair(json, "window", window.Rows, window.Columns);
            json.WriteString("border", scope.Border switch
            {
                WindowBorder.Clip => "clip",
                WindowBorder.Shift => "shift",
                _ => throw Undefined(scope.Border),
            });
        }

        if (scope.Sigma is { } sigma)
            WritePair(json, "sigma", sigma.Rows, sigma.Columns);
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, PositionEmbeddingConfig positions)
    {
        json.WriteStartObject("position_embedding");
        json.WriteString("keys", NameOf(positions.Keys));
        json.WriteString("queries", NameOf(positions.Queries));
        json.WriteString("frames", positions.Frames switch
        {
            FrameEmbeddingType.None => "none",
            FrameEmbeddingType.SinCos1D => "sincos1d",
            _ => throw Undefined(positions.Frames),
        });
        json.WriteEndObject();
    }

    private static void WritePair(Utf8JsonWriter json, string name, double first, double second)
    {
        json.WriteStartArray(name);
        json.WriteNumberValue(first);
        json.WriteNumberValue(second);
        json.WriteEndArray();
    }

    private static string NameOf(PositionEmbeddingType type) => type switch
    {
        PositionEmbeddingType.SinCos2D => "sincos2d",
        PositionEmbeddingType.Stored => "stored",
        PositionEmbeddingType.None => "none",
        _ => throw Undefined(type),
    };

    private static ArgumentOutOfRangeException Undefined<T>(T value)
        where T : struct, Enum
        => new(nameof(value), value, $"Expected a value that {typeof(T).Name} defines.");
}
