namespace MsResampler.Kernels.Tests.Compiler;

/// <summary>What a kernel costs on one architecture.</summary>
/// <param name="Registers">Registers of a thread.</param>
/// <param name="SharedBytes">Declared shared memory of a block.</param>
/// <param name="StackBytes">Local memory of a thread, such as arrays that are not in registers.</param>
/// <param name="SpillBytes">Bytes stored to and loaded from local memory for want of registers.</param>
internal sealed record PtxasReport(int Registers, int SharedBytes, int StackBytes, int SpillBytes);
