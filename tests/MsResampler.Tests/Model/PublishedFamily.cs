using MsResampler.Safetensors;

namespace MsResampler.Tests.Model;

/// <summary>A family of published resamplers, as a small random checkpoint with the published names. The table is
/// written from the published code and not from the loader.</summary>
/// <param name="Layout">The name of the layout.</param>
/// <param name="Prefix">The prefix of the tensor names.</param>
/// <param name="Outer">The prefix of <c>ln_post</c> and <c>proj</c>.</param>
/// <param name="QueryRows">Rows of the query grid.</param>
/// <param name="QueryColumns">Columns of the query grid.</param>
/// <param name="Positions">The positions.</param>
/// <param name="Json">Fields of the published config.json that tell layouts apart, and some that must not be
/// used.</param>
internal sealed record PublishedFamily(string Layout, string Prefix, string Outer, int QueryRows, int QueryColumns,
    PositionEmbeddingConfig Positions, string Json)
{
    public const int ChannelCount = 96;
    public const int Width = 256;

    private const string Resampler = "resampler.";

    private static readonly PositionEmbeddingConfig s_sines =
        new(PositionEmbeddingType.SinCos2D, PositionEmbeddingType.None);

    private static readonly PositionEmbeddingConfig s_table =
        new(PositionEmbeddingType.Stored, PositionEmbeddingType.Stored);

    // The head counts and ε of a published config.json are those of the language model.
    private const string LanguageModel = """
        "num_attention_heads": 8, "num_key_value_heads": 2, "rms_norm_eps": 1e-05, "layer_norm_epsilon": 1e-05,
        "hidden_size": 256, "torch_dtype": "bfloat16"
        """;

    public static IReadOnlyList<PublishedFamily> All { get; } =
    [
        new("minicpm-v-2.0", Resampler, Resampler, 4, 4,
            new(PositionEmbeddingType.SinCos2D, PositionEmbeddingType.Stored), V("")),
        new("minicpm-v-2.5", Resampler, Resampler, 8, 12, s_sines, V("")),
        new("minicpm-v-2.6", Resampler, Resampler, 8, 8, s_sines, V("\"version\": 2.6,")),
        new("minicpm-v-4.0", Resampler, Resampler, 8, 8, s_sines, V("\"version\": 4.0,")),
        new("minicpm-v-4.5", Resampler, Resampler, 8, 8, s_sines with { Frames = FrameEmbeddingType.SinCos1D },
            V("\"version\": 4.5, \"batch_3d_resampler\": true,")),
        new("minicpm-o-2.6", Resampler, Resampler, 8, 8, s_sines, O("\"version\": \"2.6\",")),
        new("minicpm-o-4.0", Resampler, Resampler, 8, 8, s_sines, O("\"version\": \"4.0\",")),
        new("minicpm-o-4.5", Resampler, Resampler, 8, 8, s_sines, O("\"version\": \"4.5\",")),
        new("omnilmm-12b", "model.resampler.", "model.resampler.", 4, 4, s_table,
            "{\"model_type\": \"omnilmm\", \"architectures\": [\"OmniLMMForCausalLM\"], \"num_query\": 16, " +
            LanguageModel + "}"),
        new("qwen-vl", "transformer.visual.attn_pool.", "transformer.visual.", 4, 4, s_table,
            "{\"model_type\": \"qwen\", \"architectures\": [\"QWenLMHeadModel\"], " + LanguageModel + "}"),
    ];

    /// <summary>The configuration that a user would write by hand.</summary>
    public ResamplerConfig Config { get; } = Configs.Of(Configs.None) with
    {
        VisionHiddenSize = ChannelCount,
        HiddenSize = Width,
        AttentionHeadCount = 2,
        QueryGrid = new QueryGrid(QueryRows, QueryColumns),
        OutputSize = Width,
        PositionEmbedding = Positions,
    };

    public static PublishedFamily Of(string layout) => All.Single(family => family.Layout == layout);

    /// <summary>The resampler's tensors under the published names, or under other names that are made from
    /// them.</summary>
    public List<TensorToWrite> Tensors(TensorType type = TensorType.F32, Func<string, string>? rename = null)
        => [.. RandomModel.CreateTensors(Config, 1, Options(type) with
        {
            UsePublishedNames = true,
            StackInputProjections = true,
        }).Select(tensor => (Name: PrefixOf(tensor.Name) + tensor.Name, Tensor: tensor))
            .Select(pair => pair.Tensor with { Name = rename?.Invoke(pair.Name) ?? pair.Name })
            .Select(tensor => tensor.ToWrite(type))];

    /// <summary>The same weights under the names of this project.</summary>
    public List<TensorToWrite> OwnTensors(TensorType type = TensorType.F32)
        => [.. RandomModel.CreateTensors(Config, 1, Options(type)).Select(tensor => tensor.ToWrite(type))];

    /// <summary>Writes the published folder, with a few tensors of a language model and a vision encoder.</summary>
    public void Write(string folder, TensorType type = TensorType.F32, string? json = null)
    {
        File.WriteAllText(Path.Combine(folder, ResamplerModel.ConfigFileName), json ?? Json);
        SafetensorsWriter.Write(Path.Combine(folder, "model.safetensors"), [.. Tensors(type), .. Others()]);
    }

    /// <summary>Tensors of a whole model beside the resampler. Some have names like its own.</summary>
    public static IEnumerable<TensorToWrite> Others()
    {
        foreach (string name in (string[])["llm.model.layers.0.self_attn.q_proj.weight", "lm_head.weight",
            "vpm.blocks.0.attn.in_proj_weight", "vpm.blocks.0.attn.out_proj.weight", "vpm.ln_post.weight",
            "vpm.proj", "transformer.visual.transformer.resblocks.0.attn.out_proj.weight",
            "transformer.visual.ln_pre.weight", "transformer.wte.weight"])
            yield return BoundWeights.Zeros(name, 2, 2);
    }

    private string PrefixOf(string name)
        => name.StartsWith("ln_post", StringComparison.Ordinal) || name == "proj" ? Outer : Prefix;

    private static RandomModelOptions Options(TensorType type) => new() { Type = type, HasProjectionBias = false };

    private static string V(string fields) => $$"""
        { "architectures": ["MiniCPMV"], "model_type": "minicpmv", {{fields}} {{LanguageModel}} }
        """;

    private static string O(string fields) => $$"""
        { "architectures": ["MiniCPMO"], "model_type": "minicpmo", {{fields}} {{LanguageModel}} }
        """;

    public override string ToString() => Layout;
}
