namespace MsResampler;

/// <summary>Numeric precision of a model's computation. Sums are always accumulated in <see cref="Float32"/> or better.</summary>
public enum Precision
{
    /// <summary>What the checkpoint's matrices are stored in, if the backend and its device can: <see cref="Float16"/> or
    /// <see cref="BFloat16"/> where all of them are; <see cref="Float32"/> else.</summary>
    Auto,

    /// <summary>24 bits of precision; every backend.</summary>
    Float32,

    /// <summary>Products of numbers rounded to 11 bits, everything else in <see cref="Float32"/>; on tensor cores.
    /// </summary>
    TensorFloat32,

    /// <summary>Weights and activations of 11 bits, up to ±65504; on tensor cores. Larger activations are an error,
    /// reported by the call.</summary>
    Float16,

    /// <summary>Weights and activations of 8 bits, with the range of <see cref="Float32"/>; on tensor cores.</summary>
    BFloat16,
}
