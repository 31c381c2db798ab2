namespace MsResampler.Model;

/// <summary>The source of the position embeddings of keys or queries.</summary>
public enum PositionEmbeddingType
{
    /// <summary>No position embedding.</summary>
    None,

    /// <summary>The 2-D sine–cosine embedding, column first, computed for each patch grid. Queries get that of their
    /// anchor on the grid.</summary>
    SinCos2D,

    /// <summary>A table stored on the query grid (<c>pos_embed</c>): queries add it as it is, keys add it resized to
    /// their patch grid.</summary>
    Stored,
}

/// <summary>The source of the embeddings of time, which the keys of a frame add.</summary>
public enum FrameEmbeddingType
{
    /// <summary>No embedding of time.</summary>
    None,

    /// <summary>The 1-D sine–cosine embedding of the temporal id; nothing for a frame with the id −1.</summary>
    SinCos1D,
}

/// <summary>The parts of a token that have a gate weight of their own.</summary>
public enum GateGranularity
{
    /// <summary>One weight per token and scope.</summary>
    Token,

    /// <summary>One weight per token, scope and attention head.</summary>
    Head,
}

/// <summary>The element type that config.json names for the weights.</summary>
public enum WeightType
{
    /// <summary>32-bit IEEE float.</summary>
    Float32,

    /// <summary>16-bit IEEE float.</summary>
    Float16,

    /// <summary>bfloat16.</summary>
    BFloat16,

    /// <summary>64-bit IEEE float.</summary>
    Float64,
}

/// <summary><c>position_embedding</c> in config.json.</summary>
/// <param name="Keys">What is added to the input of the key projections (never to that of the values).</param>
/// <param name="Queries">What is added to the normalised queries.</param>
/// <param name="Frames">What is added to the input of the key projections for the time of a frame.</param>
public sealed record PositionEmbeddingConfig(PositionEmbeddingType Keys, PositionEmbeddingType Queries,
    FrameEmbeddingType Frames = FrameEmbeddingType.None)
{
    /// <summary>Whether the checkpoint holds a table of positions.</summary>
    public bool IsStored => Keys == PositionEmbeddingType.Stored || Queries == PositionEmbeddingType.Stored;
}

/// <summary><c>gate</c> in config.json: a two-layer perceptron on the concatenated branch outputs.</summary>
/// <param name="HiddenSize">G, the width of the hidden layer.</param>
/// <param name="Granularity">The part of a token that one gate weight applies to.</param>
public sealed record GateConfig(int HiddenSize, GateGranularity Granularity);

/// <summary>The parsed and validated config.json of a model, read by <see cref="ConfigReader"/>.</summary>
public sealed record ResamplerConfig
{
    /// <summary>C, the width of a patch feature.</summary>
    public required int VisionHiddenSize { get; init; }

    /// <summary>D, the width of the resampler; a multiple of <see cref="AttentionHeadCount"/>.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>A, the number of attention heads.</summary>
    public required int AttentionHeadCount { get; init; }

    /// <summary>The grid of the learned queries.</summary>
    public required QueryGrid QueryGrid { get; init; }

    /// <summary>L, the width of an output token.</summary>
    public required int OutputSize { get; init; }

    /// <summary>The scopes (branches), from local to global; at least one.</summary>
    public required IReadOnlyList<ScopeConfig> Scopes { get; init; }

    /// <summary>Whether all scopes share one set of learned queries.</summary>
    public required bool ShareQueries { get; init; }

    /// <summary>Whether all scopes use the key and value projections of scope 0.</summary>
    public required bool ShareKeyValues { get; init; }

    /// <summary>Position embedding.</summary>
    public required PositionEmbeddingConfig PositionEmbedding { get; init; }

    /// <summary>The fusion gate; null with one scope.</summary>
    public required GateConfig? Gate { get; init; }

    /// <summary>ε of every layer normalisation.</summary>
    public required double LayerNormEpsilon { get; init; }

    /// <summary>The value of <c>dtype</c> or <c>torch_dtype</c>; float32 if both are missing. New models are written
    /// with this type. Reading does not use it, because every tensor has a type of its own.</summary>
    public required WeightType TorchDType { get; init; }

    /// <summary>d = D/A, the width of an attention head.</summary>
    public int HeadSize => HiddenSize / AttentionHeadCount;

    /// <summary>R, the number of gate groups: 1 per token, or one per head.</summary>
    public int GateGroupCount => Gate?.Granularity == GateGranularity.Head ? AttentionHeadCount : 1;
}
