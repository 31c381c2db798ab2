namespace MsResampler.Kernels.Forward;

/// <summary>The buffers of a forward pass. In a workspace they lie one after another in this order; those that a
/// precision or model does not use are empty. Rows are the patches of all frames of a batch, and attended rows the
/// rows of attention: tokens, then partial rows of frames (<see cref="BatchPlan"/>).</summary>
internal enum Activation
{
    /// <summary>Features, [rows, C].</summary>
    Features,

    /// <summary>The factor that each row of features was multiplied by, float32, [rows]; 16 bits only.</summary>
    FeatureUnits,

    /// <summary>Z, [rows, D]. In 16 bits it has mean 0, but after a kv_proj it is not yet divided by its deviation.
    /// </summary>
    Z,

    /// <summary>Weighted sums of values, [attended rows, S, heads].</summary>
    Attended,

    /// <summary>The outputs of the scopes, [tokens, S, D].</summary>
    Branches,

    /// <summary>Gate weights, float32, [tokens, S·R].</summary>
    Gates,

    /// <summary>Fused and normalised tokens, [tokens, D].</summary>
    Fused,

    /// <summary>Tokens, [tokens, L], in float32, or for the device alone in the type of activations.</summary>
    Tokens,

    /// <summary>The overflow note of passes whose tokens go to the host (<see cref="Gemm.OverflowNote"/>).</summary>
    Note,

    /// <summary>Z with positions, [rows, D]; float32 only.</summary>
    PositionedZ,

    /// <summary>Sums of squares of Z's rows, float32, [D/32, rows]; 16 bits only.</summary>
    Squares,

    /// <summary>Keys: in float32 [scopes, heads, d/4, rows, 4]; in 16 bits keys and values, [rows, 2, scopes, heads].
    /// </summary>
    Keys,

    /// <summary>Values, [rows, scopes, heads]; float32 only.</summary>
    Values,

    /// <summary>Logarithms of sums of attention weights, float32, [attended rows, S, A]; in float32 only for batches
    /// with partial rows.</summary>
    LogSums,

    /// <summary>The gate's hidden layer: in float32 [tokens, G]; in 16 bits partial sums in float32, [S, tokens, G].
    /// </summary>
    GateHidden,
}
