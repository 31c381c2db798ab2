namespace MsResampler;

/// <summary>Numeric precision of a model. Sums are accumulated in <see cref="Float32"/> or better.</summary>
public enum Precision
{
    /// <summary><see cref="Float16"/> or <see cref="BFloat16"/> if the checkpoint stores all matrices in that type
    /// and the backend supports it; <see cref="Int8"/> if the checkpoint stores integers and the backend supports it;
    /// otherwise <see cref="Float32"/>.</summary>
    Auto,

    /// <summary>Significands of 24 bits. Every backend supports it.</summary>
    Float32,

    /// <summary>Products of numbers rounded to 11 bits, on tensor cores; all other operations in
    /// <see cref="Float32"/>.</summary>
    TensorFloat32,

    /// <summary>Weights and activations with significands of 11 bits and a range of ±65504, on tensor cores. A call
    /// with larger activations throws <see cref="ActivationOverflowException"/>.</summary>
    Float16,

    /// <summary>Weights and activations with significands of 8 bits and the range of <see cref="Float32"/>, on
    /// tensor cores.</summary>
    BFloat16,

    /// <summary>Products of integers with exact sums, on the processor only: 8 bits in the layers of
    /// <see cref="ResamplerOptions.Int8Layers"/>, 16 bits in the others. Attention with projected keys is such a layer.
    /// All other operations in <see cref="Float32"/>.</summary>
    Int8,
}
