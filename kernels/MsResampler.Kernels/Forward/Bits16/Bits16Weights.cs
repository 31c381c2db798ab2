namespace MsResampler.Kernels.Forward.Bits16;

/// <summary>The weights of a forward pass in float16 or bfloat16: matrices in 16 bits, the rest in float32.</summary>
internal sealed record Bits16Weights : ForwardWeights
{
    /// <summary>√ε of ln_kv, times the factor that kv_proj was multiplied by.</summary>
    public float RootEpsilon { get; init; }

    /// <summary>The largest factor of a row of features for which <see cref="RootEpsilon"/> times the factor does not
    /// overflow.</summary>
    public float MaxUnit { get; init; }

    /// <summary>k_proj of all scopes that have one, then v_proj likewise, rows one after another.</summary>
    public DeviceLinear KeyValues { get; init; }

    /// <summary>The bias of the gate's first layer. The gate adds it to the sum of the partial products.</summary>
    public DeviceView GateHiddenBias { get; init; }

    /// <summary>Weights without memory.</summary>
    /// <param name="hasKeyValueInput">Whether the model has a kv_proj.</param>
    /// <param name="hasGate">Whether it has a gate.</param>
    public static Bits16Weights Describe(bool hasKeyValueInput, bool hasGate) => new()
    {
        KeyValueInput = hasKeyValueInput ? default(DeviceLinear) : null,
        GateHidden = hasGate ? default(DeviceLinear) : null,
    };
}
