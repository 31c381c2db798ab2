using System.Text.RegularExpressions;
using MsResampler.Cli.Ptx;

namespace MsResampler.Kernels.Tests.Compiler;

/// <summary>NVIDIA's PTX assembler and disassembler. A test obtains them by <see cref="OrSkip"/> in its first
/// statement.</summary>
internal sealed partial class Ptxas
{
    private const string Disassembler = "cuobjdump";
    private static readonly Lazy<PtxAssembler?> s_assembler = new(() => PtxAssembler.Find(Disassembler));

    private readonly PtxAssembler _assembler;

    private Ptxas(PtxAssembler assembler) => _assembler = assembler;

    /// <summary>The assembler of this machine. Skips the running test if there is none.</summary>
    public static Ptxas OrSkip()
    {
        Skip.If(s_assembler.Value is null, $"There is no ptxas with {Disassembler} beside it: neither where " +
            $"{PtxAssembler.PathVariable} says, nor on the PATH, nor where tools/get-ptxas.sh puts it.");
        return new Ptxas(s_assembler.Value!);
    }

    /// <summary>Assembles a kernel.</summary>
    /// <param name="kernel">The kernel.</param>
    /// <param name="architecture">The architecture to assemble for, such as 80 for sm_80.</param>
    /// <exception cref="MsResampler.Cli.InputException">The assembler rejects the text.</exception>
    public PtxasReport Assemble(CompiledKernel kernel, int architecture)
    {
        using var files = new TemporaryFolder();
        return Assemble(kernel, architecture, files, output: null);
    }

    /// <summary>The machine instructions of a kernel: the number of occurrences by instruction including modifiers,
    /// such as HMMA.16816.F32. This takes several times as long as
    /// <see cref="Assemble(CompiledKernel, int)"/>.</summary>
    public MachineCode Disassemble(CompiledKernel kernel, int architecture)
    {
        using var files = new TemporaryFolder();
        string binary = files.File("kernel.cubin");
        Assemble(kernel, architecture, files, binary);
        return ParseListing(_assembler.Run(Disassembler, "-sass", binary));
    }

    /// <summary>Parses the output of cuobjdump -sass for one kernel.</summary>
    public static MachineCode ParseListing(string listing) =>
        new(Instruction().Matches(listing).CountBy(match => match.Groups["opcode"].Value).ToDictionary());

    private PtxasReport Assemble(CompiledKernel kernel, int architecture, TemporaryFolder files, string? output)
    {
        string text = files.File("kernel.ptx");
        File.WriteAllText(text, kernel.Ptx);
        return _assembler.Assemble(text, architecture, output);
    }

    [GeneratedRegex(@"^\s+/\*[0-9a-f]{4,}\*/\s+(@!?U?P\w+\s+)?(?<opcode>[A-Z][\w.]*)", RegexOptions.Multiline)]
    private static partial Regex Instruction();
}
