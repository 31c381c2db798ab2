namespace MsResampler.Tests.Published;

/// <summary>What the published code of a family of resamplers does, and how its checkpoints look.</summary>
/// <param name="Name">The family.</param>
/// <param name="Layout">The layout by which the loader must recognise it.</param>
/// <param name="Config">The fields of its config.json that matter; the number of heads and the ε in it are those of the
/// language model.</param>
/// <param name="Module">The start of the names of its tensors.</param>
/// <param name="OuterModule">The start of the names of <c>ln_post</c> and <c>proj</c>.</param>
/// <param name="QueryCount">M in the small checkpoint of the tests.</param>
/// <param name="StoresQueryPositions">Whether queries add the table <c>pos_embed</c>.</param>
/// <param name="StoresKeyPositions">Whether keys add the resized table; otherwise sines.</param>
/// <param name="HasTime">Whether keys of a frame add an embedding of its time.</param>
internal sealed record PublishedFamily(string Name, string Layout, string Config, string Module, string OuterModule,
    int QueryCount, bool StoresQueryPositions = false, bool StoresKeyPositions = false, bool HasTime = false)
{
    private const string LanguageModel = "\"num_attention_heads\": 4, \"rms_norm_eps\": 1e-5, \"hidden_size\": 256";

    /// <summary>All families.</summary>
    public static IReadOnlyList<PublishedFamily> All { get; } =
    [
        MiniCpm("MiniCPM-V 2.0", "minicpm-v-2.0", "minicpmv", "2.0") with { StoresQueryPositions = true },
        MiniCpm("MiniCPM-Llama3-V 2.5", "minicpm-v-2.5", "minicpmv", "2.5") with { QueryCount = 6 },
        MiniCpm("MiniCPM-V 2.6", "minicpm-v-2.6", "minicpmv", "2.6"),
        MiniCpm("MiniCPM-o 2.6", "minicpm-o-2.6", "minicpmo", "2.6"),
        MiniCpm("MiniCPM-V 4.0", "minicpm-v-4.0", "minicpmv", "4.0"),
        MiniCpm("MiniCPM-o 4.0", "minicpm-o-4.0", "minicpmo", "4.0"),
        MiniCpm("MiniCPM-V 4.5", "minicpm-v-4.5", "minicpmv", "4.5") with { HasTime = true },
        MiniCpm("MiniCPM-o 4.5", "minicpm-o-4.5", "minicpmo", "4.5"),
        new("OmniLMM-12B", "omnilmm-12b", $"{{ \"model_type\": \"omnilmm\", \"num_query\": 9, {LanguageModel} }}",
            "model.resampler.", "model.resampler.", 9, true, true),
        new("Qwen-VL", "qwen-vl", $"{{ \"model_type\": \"qwen\", {LanguageModel} }}",
            "transformer.visual.attn_pool.", "transformer.visual.", 9, true, true),
    ];

    /// <inheritdoc/>
    public override string ToString() => Name;

    private static PublishedFamily MiniCpm(string name, string layout, string modelType, string version) => new(name,
        layout, $"{{ \"model_type\": \"{modelType}\", \"version\": \"{version}\", {LanguageModel} }}", "resampler.",
        "resampler.", 9);
}
