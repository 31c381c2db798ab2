using System.Text.Json.Nodes;

namespace MsResampler.TestKit;

/// <summary>Writes a configuration as config.json.</summary>
internal static class ConfigJson
{
    public static string Of(ResamplerConfig config)
    {
        JsonObject json = new()
        {
            ["model_type"] = "ms_resampler",
            ["vision_hidden_size"] = config.VisionHiddenSize,
            ["hidden_size"] = config.HiddenSize,
            ["num_attention_heads"] = config.AttentionHeadCount,
            ["query_grid"] = new JsonArray(config.QueryGrid.Rows, config.QueryGrid.Columns),
            ["output_size"] = config.OutputSize,
            ["scopes"] = new JsonArray([.. config.Scopes.Select(Of)]),
            ["share_queries"] = config.ShareQueries,
            ["share_kv"] = config.ShareKeyValues,
            ["position_embedding"] = new JsonObject
            {
                ["keys"] = NameOf(config.PositionEmbedding.Keys),
                ["queries"] = NameOf(config.PositionEmbedding.Queries),
                ["frames"] = config.PositionEmbedding.Frames == FrameEmbeddingType.SinCos1D ? "sincos1d" : "none",
            },
            ["layer_norm_eps"] = config.LayerNormEpsilon,
            ["torch_dtype"] = config.TorchDType switch
            {
                WeightType.Float16 => "float16",
                WeightType.BFloat16 => "bfloat16",
                WeightType.Float64 => "float64",
                WeightType.Float32 => "float32",
                _ => throw new ArgumentOutOfRangeException(nameof(config), config.TorchDType,
                    "a type this does not write"),
            },
        };
        if (config.Gate is { } gate)
        {
            json["gate"] = new JsonObject
            {
                ["type"] = "mlp",
                ["hidden_size"] = gate.HiddenSize,
                ["granularity"] = gate.Granularity == GateGranularity.Head ? "head" : "token",
            };
        }
        return json.ToJsonString();
    }

    private static string NameOf(PositionEmbeddingType type) => type switch
    {
        PositionEmbeddingType.SinCos2D => "sincos2d",
        PositionEmbeddingType.Stored => "stored",
        PositionEmbeddingType.None => "none",
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "positions this does not write"),
    };

    private static JsonNode Of(ScopeConfig scope)
    {
        JsonObject json = new()
        {
            ["name"] = scope.Name,
            ["prior"] = scope.Prior switch
            {
                ScopePrior.None => "none",
                ScopePrior.Window => "window",
                ScopePrior.Gaussian => "gaussian",
                _ => throw new ArgumentOutOfRangeException(nameof(scope), scope.Prior, "a prior this does not write"),
            },
            ["units"] = scope.Units == ScopeUnits.Fraction ? "fraction" : "patches",
        };
        if (scope.Window is { } window)
        {
            json["window"] = scope.Units == ScopeUnits.Fraction
                ? new JsonArray(window.Rows, window.Columns)
                : new JsonArray((int)window.Rows, (int)window.Columns);
            json["border"] = scope.Border == WindowBorder.Shift ? "shift" : "clip";
        }
        if (scope.Sigma is { } sigma)
            json["sigma"] = new JsonArray(sigma.Rows, sigma.Columns);
        return json;
    }
}
