using System.Globalization;
using System.Text.RegularExpressions;

namespace MsResampler.Kernels.Tests.Compiler;

internal sealed partial class Ptxas
{
    /// <summary>The machine instructions of the kernel's innermost loop that contains a given instruction.</summary>
    /// <exception cref="InvalidOperationException">No loop contains the instruction.</exception>
    public MachineCode DisassembleLoop(CompiledKernel kernel, int architecture, string opcode) =>
        FindLoop(Listing(kernel, architecture), opcode);

    /// <summary>What a warp usually executes of the kernel's innermost loop that contains a given instruction: its
    /// machine instructions without the rarest part.</summary>
    /// <inheritdoc cref="DisassembleLoop"/>
    public MachineCode DisassembleUsualPath(CompiledKernel kernel, int architecture, string opcode) =>
        FindUsualPath(Listing(kernel, architecture), opcode);

    /// <summary>The number of instructions that a warp executes once for each pass of the loop around the innermost
    /// loop that contains a given instruction: those outside the inner loop, without the code that the last branch over
    /// more than 50 of them skips, and the rarest part of the inner loop.</summary>
    public int CountAround(CompiledKernel kernel, int architecture, string opcode)
    {
        PlacedCode[] code = Place(Listing(kernel, architecture));
        PlacedCode[][] loops = [.. FindLoops(code).Where(loop => CodeOf(loop).Count(opcode) > 0)];
        PlacedCode[] around = [.. loops[1].Except(loops[0])];
        int skipped = around
            .Where(branch => branch.BranchTarget > branch.Address && branch.BranchTarget <= around[^1].Address)
            .Select(branch => around.Count(place => place.Address > branch.Address
                && place.Address < branch.BranchTarget))
            .LastOrDefault(count => count > 50);
        int usual = DisassembleUsualPath(kernel, architecture, opcode).Instructions.Values.Sum();
        return around.Length - skipped + loops[0].Length - usual;
    }

    /// <summary>The machine instructions of each loop of a kernel, shortest loop first.</summary>
    public IReadOnlyList<MachineCode> DisassembleLoops(CompiledKernel kernel, int architecture) =>
        [.. FindLoops(Listing(kernel, architecture))];

    /// <summary>Finds the shortest code range from a branch target to its branch that contains the
    /// instruction.</summary>
    public static MachineCode FindLoop(string listing, string opcode) => CodeOf(FindLoop(Place(listing), opcode));

    /// <summary>Finds what <see cref="FindLoop(string, string)"/> finds, without the shortest code that a branch within
    /// it skips. Code for a rare case is within the code of a more frequent one, and therefore shorter.</summary>
    public static MachineCode FindUsualPath(string listing, string opcode)
    {
        PlacedCode[] loop = FindLoop(Place(listing), opcode);
        (long from, long to) = loop
            .Select(branch => (From: branch.Address, To: branch.BranchTarget ?? 0))
            .Where(branch => branch.To > branch.From && branch.To <= loop[^1].Address)
            .OrderBy(branch => branch.To - branch.From)
            .FirstOrDefault();
        return CodeOf(loop.Where(instruction => instruction.Address <= from || instruction.Address >= to));
    }

    private static PlacedCode[] FindLoop(PlacedCode[] code, string opcode) =>
        FindLoops(code).FirstOrDefault(loop => CodeOf(loop).Count(opcode) > 0)
            ?? throw new InvalidOperationException(
                $"No loop has {opcode}:\n{string.Join('\n', code.Select(instruction => $"{instruction}"))}");

    private static IEnumerable<MachineCode> FindLoops(string listing) => FindLoops(Place(listing)).Select(CodeOf);

    private static IEnumerable<PlacedCode[]> FindLoops(PlacedCode[] code) => code
        .Where(branch => branch.BranchTarget < branch.Address)
        .OrderBy(branch => branch.Address - branch.BranchTarget)
        .Select(branch => code.Where(instruction => instruction.Address >= branch.BranchTarget
            && instruction.Address <= branch.Address).ToArray());

    private static MachineCode CodeOf(IEnumerable<PlacedCode> code) =>
        new(code.CountBy(instruction => instruction.Opcode).ToDictionary());

    private static PlacedCode[] Place(string listing) => [.. PlacedInstruction().Matches(listing).Select(match =>
    {
        string opcode = match.Groups["opcode"].Value;
        Match target = Target().Match(match.Groups["operands"].Value);
        return new PlacedCode(Hexadecimal(match.Groups["address"]), opcode,
            opcode.Split('.')[0] == "BRA" && target.Success ? Hexadecimal(target.Groups["address"]) : null);
    })];

    private static long Hexadecimal(Group group) =>
        long.Parse(group.ValueSpan, NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^\s+/\*(?<address>[0-9a-f]{4,})\*/\s+(@!?U?P\w+\s+)?(?<opcode>[A-Z][\w.]*)(?<operands>[^;]*);",
        RegexOptions.Multiline)]
    private static partial Regex PlacedInstruction();

    [GeneratedRegex(@"0x(?<address>[0-9a-f]+)\s*$")]
    private static partial Regex Target();

    /// <summary>An instruction at its address.</summary>
    private sealed record PlacedCode(long Address, string Opcode, long? BranchTarget);
}
