namespace MsResampler.Kernels.Forward;

/// <summary>Where the tokens of a forward pass go: that decides what its last launch stores, and where an overflow is
/// noted.</summary>
internal enum TokenTarget
{
    /// <summary>To the host, in float32. An overflow is noted in the workspace, and reported by the call.</summary>
    Host,

    /// <summary>To device memory of the caller's, in float32. An overflow is noted in the model.</summary>
    Device,

    /// <summary>To device memory of the caller's, in the 16 bits of the model's activations. An overflow is noted in the
    /// model.</summary>
    DeviceBits16,
}
