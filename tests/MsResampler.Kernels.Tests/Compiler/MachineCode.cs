namespace MsResampler.Kernels.Tests.Compiler;

/// <summary>The machine instructions of a kernel on one architecture.</summary>
/// <param name="Instructions">The number of occurrences by instruction including modifiers, such as
/// HMMA.16816.F32.</param>
internal sealed record MachineCode(IReadOnlyDictionary<string, int> Instructions)
{
    /// <summary>The number of occurrences of an instruction, with any modifiers after the given ones.</summary>
    public int Count(string opcode) => Instructions
        .Where(pair => pair.Key == opcode || pair.Key.StartsWith(opcode + ".", StringComparison.Ordinal))
        .Sum(pair => pair.Value);
}
