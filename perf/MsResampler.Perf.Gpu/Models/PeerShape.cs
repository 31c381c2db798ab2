using System.Globalization;
using System.Text;

namespace MsResampler.Perf.Models;

/// <summary>A model and an image size of a benchmark.</summary>
/// <param name="Name">The name in tables.</param>
/// <param name="Grid">The patch grid.</param>
/// <param name="VisionWidth">Channels of the features, C.</param>
/// <param name="Width">Width of the model, D.</param>
/// <param name="QuerySide">Rows and columns of the query grid.</param>
/// <param name="OutputSize">Width of the tokens, L.</param>
/// <param name="ShareKeyValues">Whether scopes share keys and values.</param>
internal sealed record PeerShape(string Name, PatchGrid Grid, int VisionWidth, int Width, int QuerySide, int OutputSize,
    bool ShareKeyValues)
{
    private const string Window4 = """{ "name": "local", "prior": "window", "window": [4, 4] }""";
    private const string Window12 = """{ "name": "region", "prior": "window", "window": [12, 12] }""";
    private const string Global = """{ "name": "global", "prior": "none" }""";

    /// <summary>The scopes as JSON. By default there are three, from local to global.</summary>
    public IReadOnlyList<string> Scopes { get; init; } = [Window4, Window12, Global];

    /// <summary>The shapes of the benchmarks, with separate keys and values.</summary>
    public static IReadOnlyList<PeerShape> All { get; } =
    [
        new("clip-l-336", new PatchGrid(24, 24), 1024, 1024, 12, 4096, ShareKeyValues: false),
        new("siglip-384", new PatchGrid(27, 27), 1152, 1152, 9, 3584, ShareKeyValues: false),
        new("hires", new PatchGrid(48, 48), 1024, 1024, 16, 4096, ShareKeyValues: false),
    ];

    /// <summary>A shape that takes seconds on an emulated device.</summary>
    public static PeerShape Tiny { get; } = new("tiny", new PatchGrid(6, 6), 64, 64, 3, 32, ShareKeyValues: false);

    public int QueryCount { get; init; } = QuerySide * QuerySide;

    public long[] InputShape(int batch) => [batch, Grid.Rows, Grid.Columns, VisionWidth];

    public long[] OutputShape(int batch) => [batch, QueryCount, OutputSize];

    /// <summary>The same model with only its global scope.</summary>
    public PeerShape GlobalOnly() => this with { Name = Name + " global only", Scopes = [Global] };

    /// <summary>The name of the model's folder. Models with the same key are identical.</summary>
    public string Key => $"{Name.Replace(' ', '-')}-{(ShareKeyValues ? "shared" : "separate")}";

    public byte[] ConfigJson()
    {
        const string Gate = """ "gate": { "type": "mlp", "hidden_size": 256, "granularity": "token" },""";
        return Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $$"""
            {
              "model_type": "ms_resampler",
              "vision_hidden_size": {{VisionWidth}}, "hidden_size": {{Width}}, "num_attention_heads": 16,
              "query_grid": [{{QuerySide}}, {{QuerySide}}], "output_size": {{OutputSize}},
              "scopes": [{{string.Join(", ", Scopes)}}],
              "share_queries": true, "share_kv": {{(ShareKeyValues ? "true" : "false")}},
              "position_embedding": { "type": "sincos2d", "keys": true, "queries": false },
              {{(Scopes.Count > 1 ? Gate : "")}}
              "layer_norm_eps": 1e-6, "torch_dtype": "float32"
            }
            """));
    }
}
