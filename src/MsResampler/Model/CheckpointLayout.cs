namespace MsResampler.Model;

/// <summary>The layout of a model: how its tensors are named, which positions it has, and where its sizes come from.
/// Published resamplers have one scope that sees every patch, heads of 128 channels, layer normalisations with an ε of
/// 1e-6 and <c>proj</c> stored as [D, L]. Their sizes are those of their tensors.</summary>
public sealed class CheckpointLayout
{
    private const PositionEmbeddingType Sines = PositionEmbeddingType.SinCos2D;
    private const PositionEmbeddingType Table = PositionEmbeddingType.Stored;
    private const PositionEmbeddingType None = PositionEmbeddingType.None;

    private const string MiniCpmModule = "resampler.";
    private const string MiniCpmV = "minicpmv";
    private const string MiniCpmO = "minicpmo";

    private CheckpointLayout(string name, string title) => (Name, Title) = (name, title);

    /// <summary>The model folder of this project, with config.json.</summary>
    public static CheckpointLayout MsResampler { get; } = new("ms-resampler", "MS-Resampler");

    /// <summary>MiniCPM-V 2.0: queries have a stored table of positions, keys sines.</summary>
    public static CheckpointLayout MiniCpmV20 { get; } = new("minicpm-v-2.0", "MiniCPM-V 2.0")
    {
        Module = MiniCpmModule,
        Positions = new PositionEmbeddingConfig(Sines, Table),
        ModelType = MiniCpmV,
        Version = 2.0m,
        PublishedSize = (2304, 64),
    };

    /// <summary>MiniCPM-Llama3-V 2.5.</summary>
    public static CheckpointLayout MiniCpmV25 { get; } = new("minicpm-v-2.5", "MiniCPM-Llama3-V 2.5")
    {
        Module = MiniCpmModule,
        Positions = new PositionEmbeddingConfig(Sines, None),
        ModelType = MiniCpmV,
        Version = 2.5m,
        PublishedSize = (4096, 96),
    };

    /// <summary>MiniCPM-V 2.6.</summary>
    public static CheckpointLayout MiniCpmV26 { get; } = new("minicpm-v-2.6", "MiniCPM-V 2.6")
    {
        Module = MiniCpmModule,
        Positions = new PositionEmbeddingConfig(Sines, None),
        ModelType = MiniCpmV,
        Version = 2.6m,
        PublishedSize = (3584, 64),
    };

    /// <summary>MiniCPM-V 4.0.</summary>
    public static CheckpointLayout MiniCpmV40 { get; } = new("minicpm-v-4.0", "MiniCPM-V 4.0")
    {
        Module = MiniCpmModule,
        Positions = new PositionEmbeddingConfig(Sines, None),
        ModelType = MiniCpmV,
        Version = 4.0m,
        PublishedSize = (2560, 64),
    };

    /// <summary>MiniCPM-V 4.5, which has embeddings of time for groups of frames.</summary>
    public static CheckpointLayout MiniCpmV45 { get; } = new("minicpm-v-4.5", "MiniCPM-V 4.5")
    {
        Module = MiniCpmModule,
        Positions = new PositionEmbeddingConfig(Sines, None, FrameEmbeddingType.SinCos1D),
        ModelType = MiniCpmV,
        Version = 4.5m,
        PublishedSize = (4096, 64),
    };

    /// <summary>MiniCPM-o 2.6.</summary>
    public static CheckpointLayout MiniCpmO26 { get; } = new("minicpm-o-2.6", "MiniCPM-o 2.6")
    {
        Module = MiniCpmModule,
        Positions = new PositionEmbeddingConfig(Sines, None),
        ModelType = MiniCpmO,
        Version = 2.6m,
        PublishedSize = (3584, 64),
    };

    /// <summary>MiniCPM-o 4.0.</summary>
    public static CheckpointLayout MiniCpmO40 { get; } = new("minicpm-o-4.0", "MiniCPM-o 4.0")
    {
        Module = MiniCpmModule,
        Positions = new PositionEmbeddingConfig(Sines, None),
        ModelType = MiniCpmO,
        Version = 4.0m,
        PublishedSize = (2560, 64),
    };

    /// <summary>MiniCPM-o 4.5. Its tensors are those of <see cref="MiniCpmV45"/>, but it has no embeddings of
    /// time.</summary>
    public static CheckpointLayout MiniCpmO45 { get; } = new("minicpm-o-4.5", "MiniCPM-o 4.5")
    {
        Module = MiniCpmModule,
        Positions = new PositionEmbeddingConfig(Sines, None),
        ModelType = MiniCpmO,
        Version = 4.5m,
        PublishedSize = (4096, 64),
    };

    /// <summary>OmniLMM-12B: queries and keys have a stored table of positions.</summary>
    public static CheckpointLayout OmniLmm12B { get; } = new("omnilmm-12b", "OmniLMM-12B")
    {
        Module = "model.resampler.",
        Positions = new PositionEmbeddingConfig(Table, Table),
        ModelType = "omnilmm",
        PublishedSize = (4096, 64),
    };

    /// <summary>Qwen-VL: queries and keys have a stored table of positions; <c>ln_post</c> and <c>proj</c> are one
    /// level above the other tensors.</summary>
    public static CheckpointLayout QwenVL { get; } = new("qwen-vl", "Qwen-VL")
    {
        Module = "transformer.visual.attn_pool.",
        Positions = new PositionEmbeddingConfig(Table, Table),
        ModelType = "qwen",
        PublishedSize = (4096, 256),
    };

    /// <summary>All layouts.</summary>
    public static IReadOnlyList<CheckpointLayout> All { get; } =
    [
        MsResampler, MiniCpmV20, MiniCpmV25, MiniCpmV26, MiniCpmV40, MiniCpmV45, MiniCpmO26, MiniCpmO40, MiniCpmO45,
        OmniLmm12B, QwenVL,
    ];

    /// <summary>The name, such as "minicpm-v-2.6".</summary>
    public string Name { get; }

    /// <summary>The name of the model family, such as "MiniCPM-V 2.6".</summary>
    public string Title { get; }

    /// <summary>The names of all layouts, separated by commas.</summary>
    internal static string Names { get; } = string.Join(", ", All.Select(layout => layout.Name));

    /// <summary>The layouts of published resamplers.</summary>
    internal static IEnumerable<CheckpointLayout> Published => All.Skip(1);

    /// <summary>The prefix of the tensor names in the published checkpoints.</summary>
    internal string Module { get; private init; } = "";

    /// <summary>The positions of a published resampler.</summary>
    internal PositionEmbeddingConfig Positions { get; private init; } = new(None, None);

    /// <summary><c>model_type</c> in the published config.json.</summary>
    internal string ModelType { get; private init; } = ConfigReader.ModelType;

    /// <summary><c>version</c> in the published config.json; null if the model type has one version.</summary>
    internal decimal? Version { get; private init; }

    /// <summary>D and M of the published checkpoint.</summary>
    internal (int Width, int QueryCount) PublishedSize { get; private init; }

    /// <summary>Finds a layout by its name.</summary>
    /// <param name="name">The name as in <see cref="Name"/>; case matters.</param>
    /// <returns>The layout, or null if there is none of that name.</returns>
    public static CheckpointLayout? Find(string name) => All.FirstOrDefault(layout => layout.Name == name);

    /// <inheritdoc/>
    public override string ToString() => Name;
}
