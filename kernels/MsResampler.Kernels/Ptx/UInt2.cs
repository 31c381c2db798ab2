namespace MsResampler.Kernels.Ptx;

/// <summary>Two 32-bit registers: one lane's share of two 8×8 matrices of 16-bit elements.</summary>
/// <param name="X">The first.</param>
/// <param name="Y">The second.</param>
internal record struct UInt2(uint X, uint Y);
