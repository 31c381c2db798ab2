namespace MsResampler.Kernels.Ptx;

/// <summary>Two 32-bit registers: four 16-bit elements of memory, or the share of one lane in two 8×8 matrices of
/// such elements.</summary>
/// <param name="X">Element 0.</param>
/// <param name="Y">Element 1.</param>
internal record struct UInt2(uint X, uint Y);
