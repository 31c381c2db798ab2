namespace MsResampler.Kernels.Tests.Compiler;

/// <summary>What a kernel costs on one architecture.</summary>
/// <param name="Registers">Registers of a thread.</param>
/// <param name="SharedBytes">Declared shared memory of a block.</param>
/// <param name="StackBytes">Local memory of a thread, such as arrays that are not in registers.</param>
/// <param name="SpillBytes">Bytes stored to and loaded from local memory for want of registers.</param>
/// <param name="Instructions">How often each machine instruction occurs, with its modifiers: HMMA.16816.F32.</param>
internal sealed record PtxasReport(int Registers, int SharedBytes, int StackBytes, int SpillBytes,
    IReadOnlyDictionary<string, int> Instructions)
{
    /// <summary>How often an instruction occurs, whatever its modifiers beyond the given ones.</summary>
    public int Count(string opcode) => Instructions
        .Where(pair => pair.Key == opcode || pair.Key.StartsWith(opcode + ".", StringComparison.Ordinal))
        .Sum(pair => pair.Value);
}
