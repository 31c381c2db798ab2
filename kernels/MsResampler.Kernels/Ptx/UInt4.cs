namespace MsResampler.Kernels.Ptx;

/// <summary>Four 32-bit registers: 16 bytes of memory, or one lane's share of four 8×8 matrices of 16-bit
/// elements.</summary>
/// <param name="X">The first.</param>
/// <param name="Y">The second.</param>
/// <param name="Z">The third.</param>
/// <param name="W">The fourth.</param>
internal record struct UInt4(uint X, uint Y, uint Z, uint W);
