using System.Globalization;
using System.Text.RegularExpressions;

namespace MsResampler.Kernels.Tests.Compiler;

internal sealed partial class Ptxas
{
    /// <summary>The machine instructions of the kernel's innermost loop that contains a given instruction.</summary>
    /// <exception cref="InvalidOperationException">No loop contains the instruction.</exception>
    public MachineCode DisassembleLoop(CompiledKernel kernel, int architecture, string opcode) =>
        FindLoop(Listing(kernel, architecture), opcode);

    /// <summary>The machine instructions of each loop of a kernel, shortest loop first.</summary>
    public IReadOnlyList<MachineCode> DisassembleLoops(CompiledKernel kernel, int architecture) =>
        [.. FindLoops(Listing(kernel, architecture))];

    /// <summary>Finds the shortest code range from a branch target to its branch that contains the
    /// instruction.</summary>
    public static MachineCode FindLoop(string listing, string opcode) =>
        FindLoops(listing).FirstOrDefault(loop => loop.Count(opcode) > 0)
            ?? throw new InvalidOperationException($"No loop has {opcode}:\n{listing}");

    private static IEnumerable<MachineCode> FindLoops(string listing)
    {
        (long Address, string Opcode, string Operands)[] code = [.. PlacedInstruction().Matches(listing).Select(match =>
            (Hexadecimal(match.Groups["address"]), match.Groups["opcode"].Value, match.Groups["operands"].Value))];
        return code
            .Where(branch => branch.Opcode.Split('.')[0] == "BRA")
            .Select(branch => (Branch: branch, Target: Target().Match(branch.Operands)))
            .Where(branch => branch.Target.Success)
            .Select(branch => (First: Hexadecimal(branch.Target.Groups["address"]), Last: branch.Branch.Address))
            .Where(loop => loop.First < loop.Last)
            .OrderBy(loop => loop.Last - loop.First)
            .Select(loop => new MachineCode(code
                .Where(instruction => instruction.Address >= loop.First && instruction.Address <= loop.Last)
                .CountBy(instruction => instruction.Opcode)
                .ToDictionary()));
    }

    private static long Hexadecimal(Group group) =>
        long.Parse(group.ValueSpan, NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^\s+/\*(?<address>[0-9a-f]{4,})\*/\s+(@!?U?P\w+\s+)?(?<opcode>[A-Z][\w.]*)(?<operands>[^;]*);",
        RegexOptions.Multiline)]
    private static partial Regex PlacedInstruction();

    [GeneratedRegex(@"0x(?<address>[0-9a-f]+)\s*$")]
    private static partial Regex Target();
}
