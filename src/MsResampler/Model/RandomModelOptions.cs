using MsResampler.Safetensors;

namespace MsResampler.Model;

/// <summary>How <see cref="RandomModel"/> lays a checkpoint out. The values of a weight depend on the seed
/// and its role alone, so that two layouts of one seed are the same model.</summary>
public sealed record RandomModelOptions
{
    /// <summary>The element type of every tensor.</summary>
    public TensorType Type { get; init; } = TensorType.F32;

    /// <summary>What stands before every tensor name, such as <c>resampler.</c>.</summary>
    public string Prefix { get; init; } = "";

    /// <summary>Whether q, k and v projections are stacked as <c>in_proj_weight</c> and
    /// <c>in_proj_bias</c>.</summary>
    public bool StackInputProjections { get; init; }

    /// <summary>Whether <c>kv_proj</c> is left out; only where C = D, which makes it the identity.</summary>
    public bool OmitKeyValueInput { get; init; }

    /// <summary>Whether <c>proj</c> has a bias.</summary>
    public bool HasProjectionBias { get; init; } = true;

    /// <summary>Whether a single scope is named as in published resamplers: <c>attn.*</c>, and <c>proj</c>
    /// stored transposed, [D, L].</summary>
    public bool UsePublishedNames { get; init; }

    /// <summary>Indices of the Gaussian scopes that get a learned <c>log_sigma</c>.</summary>
    public IReadOnlyCollection<int> LearnedSigmaScopes { get; init; } = [];
}
