using MsResampler.Safetensors;

namespace MsResampler.Model;

/// <summary>The layout of a checkpoint that <see cref="RandomModel"/> writes. The values of a weight depend only on
/// the seed and on its role, so checkpoints of different layouts with the same seed are the same model.</summary>
public sealed record RandomModelOptions
{
    /// <summary>The element type of every tensor.</summary>
    public TensorType Type { get; init; } = TensorType.F32;

    /// <summary>The prefix of every tensor name, such as <c>resampler.</c>.</summary>
    public string Prefix { get; init; } = "";

    /// <summary>Whether q, k and v projections are stacked as <c>in_proj_weight</c> and
    /// <c>in_proj_bias</c>.</summary>
    public bool StackInputProjections { get; init; }

    /// <summary>Whether <c>kv_proj</c> is missing, which makes it the identity. Requires C = D.</summary>
    public bool OmitKeyValueInput { get; init; }

    /// <summary>Whether <c>proj</c> has a bias.</summary>
    public bool HasProjectionBias { get; init; } = true;

    /// <summary>Whether names are those of published resamplers: <c>attn.*</c>, and <c>proj</c> stored transposed,
    /// [D, L]. Requires one scope.</summary>
    public bool UsePublishedNames { get; init; }

    /// <summary>Indices of the Gaussian scopes with a learned <c>log_sigma</c>.</summary>
    public IReadOnlyCollection<int> LearnedSigmaScopes { get; init; } = [];
}
