namespace MsResampler.Kernels.Gemm;

/// <summary>The instruction with which a kernel multiplies on tensor cores.</summary>
internal enum GemmFamily
{
    /// <summary>mma.sync: every precision with tensor cores, from sm_80 on
    /// (<see cref="GemmMma{TTile, TElement, TEpilogue, TOutput}"/>).</summary>
    Mma,

    /// <summary>wgmma: 16 bits on Hopper
    /// (<see cref="Warpgroup.GemmWgmma{TTile, TElement, TEpilogue, TOutput}"/>).</summary>
    Wgmma,
}
