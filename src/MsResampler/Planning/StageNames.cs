namespace MsResampler.Planning;

/// <summary>Names of the stages of a forward pass, by the tensors that they apply. Plans, engines and
/// measurements use the same names.</summary>
internal static class StageNames
{
    /// <summary>Projection of patch features, [N, C] to [N, D].</summary>
    public const string KeyValueInput = "kv_proj";

    /// <summary>Layer norm of the projected features, Z, and of Z plus positions for the keys.</summary>
    public const string KeyValueNorm = "ln_kv";

    /// <summary>Projection of the queries of every scope, [M, D].</summary>
    public const string Queries = "q_proj";

    /// <summary>Projection of the keys of every scope that projects them, [N, D].</summary>
    public const string Keys = "k_proj";

    /// <summary>Projection of the values of every scope that projects them, [N, D].</summary>
    public const string Values = "v_proj";

    /// <summary>Logits, softmax and weighted sums, absorbed projections included.</summary>
    public const string Attention = "attention";

    /// <summary>The attention of groups of several frames, from that of their frames.</summary>
    public const string Merge = "frame merge";

    /// <summary>Output projections of all scopes, [M, D] each.</summary>
    public const string Outputs = "out_proj";

    /// <summary>The gate as a whole: <see cref="GateHidden"/> and <see cref="GateFusion"/>.</summary>
    public const string Gate = "gate";

    /// <summary>First layer of the gate, [M, S·D] to [M, G].</summary>
    public const string GateHidden = "gate fc1";

    /// <summary>Second layer of the gate, softmax over the scopes, and the gated sum of the scopes'
    /// outputs.</summary>
    public const string GateFusion = "fusion gate";

    /// <summary>Layer norm of the fused outputs.</summary>
    public const string PostNorm = "ln_post";

    /// <summary>Projection of the tokens, [M, D] to [M, L].</summary>
    public const string Projection = "proj";
}
