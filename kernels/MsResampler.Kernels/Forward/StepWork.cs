using MsResampler.Kernels.Gemm;

namespace MsResampler.Kernels.Forward;

/// <summary>The work of one step: the operations that it executes, and the bytes that it must read and write at least,
/// each once.</summary>
/// <param name="Flops">Multiplications and additions as executed, including the padding of attention tiles.</param>
/// <param name="ConstantBytes">Weights and tables, the same in every call.</param>
/// <param name="ReadBytes">Activations read.</param>
/// <param name="WrittenBytes">Activations written.</param>
internal sealed record StepWork(double Flops, double ConstantBytes, double ReadBytes, double WrittenBytes)
{
    /// <summary>The extents of its matrix products; null if it has none.</summary>
    public ProductExtent? Product { get; init; }

    /// <summary>Whether its operations are matrix products, which run on tensor cores where the precision uses
    /// them.</summary>
    public bool HasProducts { get; init; }

    /// <summary>All bytes.</summary>
    public double Bytes => ConstantBytes + ReadBytes + WrittenBytes;
}
