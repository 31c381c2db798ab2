namespace MsResampler.Kernels.Ptx;

/// <summary>Four 32-bit registers: 16 bytes of memory, or the share of one lane in four 8×8 matrices of 16-bit
/// elements.</summary>
/// <param name="X">Element 0.</param>
/// <param name="Y">Element 1.</param>
/// <param name="Z">Element 2.</param>
/// <param name="W">Element 3.</param>
internal record struct UInt4(uint X, uint Y, uint Z, uint W);
