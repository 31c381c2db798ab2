using System.Collections.Concurrent;
using System.Text.RegularExpressions;
using MsResampler.Cli.Ptx;

namespace MsResampler.Kernels.Tests.Compiler;

/// <summary>A version of NVIDIA's PTX assembler, with its disassembler. A test obtains them by <see cref="OrSkip"/> in
/// its first statement.</summary>
internal sealed partial class Ptxas
{
    private const string Disassembler = "cuobjdump";

    private static readonly Lazy<Ptxas[]> s_all = new(() =>
        [.. PtxAssembler.FindAll(Disassembler).Select(assembler => new Ptxas(assembler))]);

    private readonly PtxAssembler _assembler;

    // Many tests assemble the same text for the same target. A failure is kept, too.
    private readonly ConcurrentDictionary<(string Ptx, string Target), Lazy<(PtxasReport Report, byte[] Binary)>>
        _assembled = [];

    private readonly ConcurrentDictionary<(string Ptx, string Target), Lazy<string>> _listings = [];
    private readonly ConcurrentDictionary<string, bool> _targets = [];

    private Ptxas(PtxAssembler assembler) => _assembler = assembler;

    /// <summary>The assemblers of this machine, the newest first. Skips the running test if there is none.</summary>
    /// <param name="target">An architecture that they must support, or null.</param>
    public static IReadOnlyList<Ptxas> OrSkip(string? target = null)
    {
        Ptxas[] all = [.. s_all.Value.Where(ptxas => target is null || ptxas.Knows(target))];
        Skip.If(all.Length == 0, $"There is no ptxas {(target is null ? "" : $"for {target} ")}with {Disassembler} " +
            $"beside it: neither where {PtxAssembler.PathVariable} says, nor on the PATH, nor where " +
            "tools/get-ptxas.sh puts it.");
        return all;
    }

    /// <summary>Assembles PTX for a device as a driver would, with the newest assembler.</summary>
    /// <returns>The report, or null if there is no assembler for the device or the version of the PTX.</returns>
    /// <exception cref="MsResampler.Cli.InputException">The assembler rejects the text.</exception>
    public static PtxasReport? TryLoad(string ptx, int architecture)
    {
        CompiledKernel kernel = new("loaded", "loaded", ptx, [], ParameterBytes: 0);
        Ptxas? ptxas = s_all.Value.FirstOrDefault(ptxas => ptxas.Knows(kernel.MachineTarget(architecture)));
        try
        {
            return ptxas?.Assemble(kernel, architecture);
        }
        catch (Cli.InputException exception)
            when (exception.Message.Contains("Unsupported .version", StringComparison.Ordinal))
        {
            return null;
        }
    }

    /// <summary>Assembles a kernel, unless a test has.</summary>
    /// <param name="kernel">The kernel.</param>
    /// <param name="target">The architecture to assemble for, such as sm_80.</param>
    /// <exception cref="MsResampler.Cli.InputException">The assembler rejects the text.</exception>
    public PtxasReport Assemble(CompiledKernel kernel, string target) => AssembleOnce(kernel, target).Report;

    /// <summary>Assembles a kernel for an architecture, such as 80 for sm_80.</summary>
    /// <inheritdoc cref="Assemble(CompiledKernel, string)"/>
    public PtxasReport Assemble(CompiledKernel kernel, int architecture)
        => Assemble(kernel, kernel.MachineTarget(architecture));

    /// <summary>The machine instructions of a kernel: the number of occurrences by instruction including modifiers,
    /// such as HMMA.16816.F32. This takes several times as long as
    /// <see cref="Assemble(CompiledKernel, string)"/>.</summary>
    public MachineCode Disassemble(CompiledKernel kernel, int architecture) =>
        ParseListing(Listing(kernel, architecture));

    /// <summary>The machine instructions of a kernel in order.</summary>
    public IReadOnlyList<string> Opcodes(CompiledKernel kernel, int architecture) =>
        [.. Instruction().Matches(Listing(kernel, architecture)).Select(match => match.Groups["opcode"].Value)];

    /// <summary>Parses the output of cuobjdump -sass for one kernel.</summary>
    public static MachineCode ParseListing(string listing) =>
        new(Instruction().Matches(listing).CountBy(match => match.Groups["opcode"].Value).ToDictionary());

    /// <summary>The version, for messages.</summary>
    public override string ToString() => $"ptxas {_assembler.Version}";

    private bool Knows(string target) => _targets.GetOrAdd(target, _assembler.Knows);

    private (PtxasReport Report, byte[] Binary) AssembleOnce(CompiledKernel kernel, string target) =>
        _assembled.GetOrAdd((kernel.Ptx, target), text => new(() =>
        {
            using var files = new TemporaryFolder();
            (string source, string binary) = (files.File("kernel.ptx"), files.File("kernel.cubin"));
            File.WriteAllText(source, text.Ptx);
            PtxasReport report = _assembler.Assemble(source, text.Target, binary);
            return (report, File.ReadAllBytes(binary));
        })).Value;

    private string Listing(CompiledKernel kernel, int architecture) =>
        _listings.GetOrAdd((kernel.Ptx, kernel.MachineTarget(architecture)), text => new(() =>
        {
            using var files = new TemporaryFolder();
            string binary = files.File("kernel.cubin");
            File.WriteAllBytes(binary, AssembleOnce(kernel, text.Target).Binary);
            return _assembler.Run(Disassembler, "-sass", binary);
        })).Value;

    [GeneratedRegex(@"^\s+/\*[0-9a-f]{4,}\*/\s+(@!?U?P\w+\s+)?(?<opcode>[A-Z][\w.]*)", RegexOptions.Multiline)]
    private static partial Regex Instruction();
}
