namespace MsResampler.Kernels.Forward;

/// <summary>The destination of a forward pass's tokens. It decides the type that the last step stores, and where an
/// overflow is noted.</summary>
internal enum TokenTarget
{
    /// <summary>The host, in float32. An overflow is noted in the workspace, and the call reports it.</summary>
    Host,

    /// <summary>Device memory of the caller, in float32. An overflow is noted in the model.</summary>
    Device,

    /// <summary>Device memory of the caller, in the 16-bit type of the model's activations. An overflow is noted in the
    /// model.</summary>
    DeviceBits16,
}
