namespace MsResampler.Kernels.Forward;

/// <summary>The weights of a forward pass on the device that models of every precision have. A record without memory
/// has empty views: enough to describe the steps.</summary>
internal abstract record ForwardWeights
{
    /// <summary>kv_proj, or null. Its columns have mean 0, as the normalisation after it requires.</summary>
    public DeviceLinear? KeyValueInput { get; init; }

    /// <summary>ln_kv.</summary>
    public DeviceNorm KeyValueNorm { get; init; }

    /// <summary>out_proj of all scopes.</summary>
    public DeviceLinear Outputs { get; init; }

    /// <summary>The first layer of the gate; null with one scope.</summary>
    public DeviceLinear? GateHidden { get; init; }

    /// <summary>The second layer of the gate, in float32.</summary>
    public DeviceLinear GateOutput { get; init; }

    /// <summary>ln_post.</summary>
    public DeviceNorm PostNorm { get; init; }

    /// <summary>proj.</summary>
    public DeviceLinear Projection { get; init; }
}
