using System.CommandLine;
using MsResampler.Cli.Ptx;
using MsResampler.Kernels.Compiler;
using MsResampler.Kernels.Ptx;
using MsResampler.Perf.Probe;

namespace MsResampler.GpuBundle;

/// <summary>The command <c>fill</c>: compiles every kernel into the kernel cache, without a GPU. The keys of the cache
/// contain the builds of the assemblies, so that the program that is packed must do this itself.</summary>
internal static class FillCommand
{
    /// <summary>The architecture of the PTX, which newer devices use too.</summary>
    private const int PtxArchitecture = 80;

    public static Command Create()
    {
        Option<int[]> architectures = new("--machine-code")
        {
            Description = "Also add machine code for these architectures, if there is an assembler.",
            HelpName = "80 86 89 90",
            AllowMultipleArgumentsPerToken = true,
        };
        Command command = new("fill", $"Compile every kernel into the folder that {KernelCache.Variable} names, for " +
            $"devices of sm_{PtxArchitecture} and newer. No GPU is needed.") { architectures };
        command.SetAction(parsed => Run(parsed.GetValue(architectures) ?? []));
        return command;
    }

    private static int Run(int[] architectures)
    {
        KernelCompiler compiler = new(KernelCache.Default, PtxVersion.Default);
        PtxAssembler? assembler = PtxAssembler.FindAll() is [PtxAssembler newest, ..] ? newest : null;
        int[] targets = assembler is null ? [] : [.. architectures.Where(target => assembler.Knows($"sm_{target}"))];
        string folder = Directory.CreateTempSubdirectory("msresampler-fill-").FullName;
        try
        {
            Parallel.ForEach(ProbeCommand.Kernels, kernel =>
            {
                CompiledKernel compiled = kernel.Compile(compiler, PtxArchitecture);
                string file = Path.Combine(folder, Guid.NewGuid().ToString("N"));
                File.WriteAllText(file, compiled.Ptx);
                foreach (int target in targets)
                {
                    string output = $"{file}.{target}";
                    assembler!.Assemble(file, $"sm_{target}", output);
                    KernelCache.Default.WriteBytes(KernelKey.OfMachineCode(compiled.Ptx, target, driverVersion: null),
                        File.ReadAllBytes(output));
                }
            });
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        if (KernelCache.Default.Problem is { } problem)
        {
            Console.Error.WriteLine($"fill: {problem}");
            return 1;
        }

        Console.WriteLine($"fill: PTX of {ProbeCommand.Kernels.Count()} kernels" + (targets is [] ? "; no machine code"
            : $"; machine code for {string.Join(", ", targets.Select(target => $"sm_{target}"))} by the assembler of " +
                $"CUDA {assembler!.Version}"));
        return 0;
    }
}
