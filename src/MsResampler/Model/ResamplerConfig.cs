namespace MsResampler.Model;

/// <summary>Where positions come from.</summary>
public enum PositionEmbeddingType
{
    /// <summary>No position embedding.</summary>
    None,

    /// <summary>The 2-D sine–cosine table, column first, computed for each grid.</summary>
    SinCos2D,

    /// <summary>A table stored on the query grid (<c>pos_embed</c>), resized to each patch grid.</summary>
    Stored,
}

/// <summary>Which parts of a token the fusion gate weighs independently.</summary>
public enum GateGranularity
{
    /// <summary>One weight per token and scope.</summary>
    Token,

    /// <summary>One weight per token, scope and attention head's channels.</summary>
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
/// <param name="Type">Where positions come from.</param>
/// <param name="Keys">Whether keys see them (values never do).</param>
/// <param name="Queries">Whether queries see them.</param>
public sealed record PositionEmbeddingConfig(PositionEmbeddingType Type, bool Keys, bool Queries);

/// <summary><c>gate</c> in config.json: a two-layer perceptron over the concatenated branch outputs.</summary>
/// <param name="HiddenSize">G, the width of the hidden layer.</param>
/// <param name="Granularity">What one gate weight covers.</param>
public sealed record GateConfig(int HiddenSize, GateGranularity Granularity);

/// <summary>The parsed and validated config.json of a model. Obtain one from <see cref="ConfigReader"/>.</summary>
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

    /// <summary>Whether all scopes use one set of learned queries.</summary>
    public required bool ShareQueries { get; init; }

    /// <summary>Whether all scopes use the key and value projections of scope 0.</summary>
    public required bool ShareKeyValues { get; init; }

    /// <summary>Position embedding.</summary>
    public required PositionEmbeddingConfig PositionEmbedding { get; init; }

    /// <summary>The fusion gate; null when there is one scope, which needs none.</summary>
    public required GateConfig? Gate { get; init; }

    /// <summary>ε of every layer normalisation.</summary>
    public required double LayerNormEpsilon { get; init; }

    /// <summary>The element type that config.json names (<c>dtype</c> or <c>torch_dtype</c>), float32 where it names
    /// none. The tensors' own types decide how they are read; this one is what new models are written in.</summary>
    public required WeightType TorchDType { get; init; }

    /// <summary>d = D / A.</summary>
    public int HeadSize => HiddenSize / AttentionHeadCount;

    /// <summary>R, the number of gate groups: 1 per token, or one per head.</summary>
    public int GateGroupCount => Gate?.Granularity == GateGranularity.Head ? AttentionHeadCount : 1;
}
