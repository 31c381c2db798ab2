namespace MsResampler;

/// <summary>The layers of a model that multiply activations by a matrix of weights, and attention. Projections of
/// queries and the second layer of the gate are not listed: they are always computed in <see
/// cref="Precision.Float32"/>.</summary>
[Flags]
public enum ModelLayers
{
    /// <summary>No layer.</summary>
    None = 0,

    /// <summary><c>kv_proj</c>: features [N, C] to [N, D].</summary>
    KeyValueInput = 1,

    /// <summary><c>k_proj</c> of all scopes, [N, D] to [N, D].</summary>
    Keys = 2,

    /// <summary><c>v_proj</c> of all scopes, [N, D] to [N, D].</summary>
    Values = 4,

    /// <summary><c>out_proj</c> of all scopes, [M, D] to [M, D].</summary>
    Outputs = 8,

    /// <summary><c>gate.fc1</c>, [M, S·D] to [M, G].</summary>
    Gate = 16,

    /// <summary><c>proj</c>, [M, D] to [M, L].</summary>
    Projection = 32,

    /// <summary>Attention of all scopes whose keys the plan projects: queries times keys, and attention weights times
    /// values. This layer has no matrix in the checkpoint.</summary>
    Attention = 64,

    /// <summary>All layers.</summary>
    All = KeyValueInput | Keys | Values | Outputs | Gate | Projection | Attention,
}
