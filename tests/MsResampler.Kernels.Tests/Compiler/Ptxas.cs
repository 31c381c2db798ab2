using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using MsResampler.Kernels.Engine;
using NUnit.Framework;

namespace MsResampler.Kernels.Tests.Compiler;

/// <summary>NVIDIA's PTX assembler, which says what a kernel costs on a real architecture. It is looked for where
/// MSRESAMPLER_PTXAS says (the program or its folder), on the PATH, and where tools/get-ptxas.sh puts it.</summary>
internal static partial class Ptxas
{
    private const string Variable = "MSRESAMPLER_PTXAS";
    private const string Binary = "kernel.cubin";
    private static readonly Lazy<string?> s_folder = new(() => Candidates().FirstOrDefault(HasPrograms));

    /// <summary>Assembles a kernel. Ignores the running test where there is no assembler.</summary>
    /// <param name="kernel">The kernel.</param>
    /// <param name="architecture">The architecture to assemble for, such as 80 for sm_80.</param>
    /// <exception cref="InvalidOperationException">The assembler refused the text.</exception>
    public static PtxasReport Assemble(CompiledKernel kernel, int architecture)
    {
        using var files = new TemporaryFolder();
        return ParseReport(Assemble(kernel, architecture, files));
    }

    /// <summary>The machine instructions of a kernel: how often each occurs, with its modifiers, such as
    /// HMMA.16816.F32. Takes several times as long as <see cref="Assemble(CompiledKernel, int)"/>.</summary>
    public static MachineCode Disassemble(CompiledKernel kernel, int architecture)
    {
        using var files = new TemporaryFolder();
        Assemble(kernel, architecture, files);
        return ParseListing(Run("cuobjdump", "-sass", files.File(Binary)));
    }

    /// <summary>Reads what ptxas -v writes about one kernel.</summary>
    public static PtxasReport ParseReport(string log)
    {
        Match used = Usage().Match(log);
        Match memory = Memory().Match(log);
        if (!used.Success || !memory.Success)
            throw new InvalidOperationException($"ptxas says nothing of registers or of spills:\n{log}");
        return new PtxasReport(
            Number(used.Groups["registers"]),
            Number(used.Groups["shared"]),
            Number(memory.Groups["stack"]),
            Number(memory.Groups["stores"]) + Number(memory.Groups["loads"]));
    }

    /// <summary>Reads what cuobjdump -sass writes about one kernel.</summary>
    public static MachineCode ParseListing(string listing) =>
        new(Instruction().Matches(listing).CountBy(match => match.Groups["opcode"].Value).ToDictionary());

    private static string Assemble(CompiledKernel kernel, int architecture, TemporaryFolder files)
    {
        string text = files.File("kernel.ptx");
        File.WriteAllText(text, kernel.Ptx);
        return Run("ptxas", "-v", "-O3", string.Create(CultureInfo.InvariantCulture, $"-arch=sm_{architecture}"), "-o",
            files.File(Binary), text);
    }

    private static int Number(Group group) =>
        group.Success ? int.Parse(group.ValueSpan, CultureInfo.InvariantCulture) : 0;

    private static IEnumerable<string> Candidates()
    {
        if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } setting)
            yield return Directory.Exists(setting) ? setting : Path.GetDirectoryName(setting) ?? setting;
        foreach (string folder in (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator))
            yield return folder;
        yield return DefaultFolder();
    }

    private static string DefaultFolder() => Path.Combine(
        Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } cache
            ? cache
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache"),
        "msresampler", "cuda");

    private static bool HasPrograms(string folder) =>
        File.Exists(Path.Combine(folder, "ptxas")) && File.Exists(Path.Combine(folder, "cuobjdump"));

    private static string Run(string program, params string[] arguments)
    {
        if (s_folder.Value is not { } folder)
        {
            Assert.Ignore($"There is no ptxas: {Variable} is " +
                $"'{Environment.GetEnvironmentVariable(Variable)}', and neither the PATH nor {DefaultFolder()} has " +
                "ptxas and cuobjdump. Run tools/get-ptxas.sh.");
            throw new UnreachableException();
        }

        var start = new ProcessStartInfo(Path.Combine(folder, program), arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // cuobjdump starts nvdisasm, which is beside it.
        start.Environment["PATH"] = folder + Path.PathSeparator + Environment.GetEnvironmentVariable("PATH");
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd() + errors.GetAwaiter().GetResult();
        process.WaitForExit();
        return process.ExitCode == 0
            ? output
            : throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} failed:\n{output}");
    }

    [GeneratedRegex(@"Used (?<registers>\d+) registers(.*?, (?<shared>\d+) bytes smem)?")]
    private static partial Regex Usage();

    [GeneratedRegex(@"(?<stack>\d+) bytes stack frame, (?<stores>\d+) bytes spill stores, " +
        @"(?<loads>\d+) bytes spill loads")]
    private static partial Regex Memory();

    [GeneratedRegex(@"^\s+/\*[0-9a-f]{4,}\*/\s+(@!?U?P\w+\s+)?(?<opcode>[A-Z][\w.]*)", RegexOptions.Multiline)]
    private static partial Regex Instruction();
}
