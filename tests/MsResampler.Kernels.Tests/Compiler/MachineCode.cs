namespace MsResampler.Kernels.Tests.Compiler;

/// <summary>The machine instructions of a kernel on one architecture.</summary>
/// <param name="Instructions">How often each occurs, with its modifiers: HMMA.16816.F32.</param>
internal sealed record MachineCode(IReadOnlyDictionary<string, int> Instructions)
{
    /// <summary>How often an instruction occurs, whatever its modifiers beyond the given ones.</summary>
    public int Count(string opcode) => Instructions
        .Where(pair => pair.Key == opcode || pair.Key.StartsWith(opcode + ".", StringComparison.Ordinal))
        .Sum(pair => pair.Value);
}
