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
        Assemblers assemblers = new();
        KernelTarget[] targets = [.. architectures.Select(KernelTarget.Newest)];
        string folder = Directory.CreateTempSubdirectory("msresampler-fill-").FullName;
        try
        {
            Parallel.ForEach(ProbeCommand.Kernels, kernel =>
            {
                if (kernel.RunsOn(PtxArchitecture))
                    kernel.Compile(compiler, PtxArchitecture);
                foreach (KernelTarget target in targets.Where(kernel.RunsOn))
                    AddMachineCode(kernel.Compile(compiler, target), target.Architecture, folder, assemblers);
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

        string[] found = [.. assemblers.Found.Select(found => $"{found.Target} (ptxas {found.Version})")];
        Console.WriteLine($"fill: PTX of {ProbeCommand.Kernels.Count()} kernels; " +
            (found is [] ? "no machine code" : $"machine code for {string.Join(", ", found)}"));
        return 0;
    }

    /// <summary>Adds the machine code of a kernel. Without an assembler for it, the driver compiles the
    /// text.</summary>
    private static void AddMachineCode(CompiledKernel kernel, int architecture, string folder, Assemblers assemblers)
    {
        string file = Path.Combine(folder, Guid.NewGuid().ToString("N"));
        string output = $"{file}.cubin";
        File.WriteAllText(file, kernel.Ptx);
        if (assemblers.TryAssemble(file, kernel.MachineTarget(architecture), output) is not null)
        {
            KernelCache.Default.WriteBytes(KernelKey.OfMachineCode(kernel.Ptx, architecture, driverVersion: null),
                File.ReadAllBytes(output));
        }
    }
}
