using System.CommandLine;
using System.Globalization;
using System.Text;
using MsResampler.Cli.Ptx;
using MsResampler.Kernels.Compiler;
using MsResampler.Kernels.Forward;
using MsResampler.Kernels.Ptx;

namespace MsResampler.Cli.Commands;

/// <summary>The command <c>ptx</c>: compiles the GPU kernels to text.</summary>
internal static class PtxCommand
{
    public static ExampleCommand Create(Terminal terminal, CancellationToken cancellationToken)
    {
        Option<int> architecture = Options.Architecture();
        Option<string> output = Options.Path("--out", "DIR",
            "The folder for one file per kernel; it is created if it does not exist.");
        Option<string?> config = Options.OptionalPath("--config", "FILE",
            "Compile only the kernels of a model with this config.json.");
        Option<PrecisionChoice> precision = Options.Precision();
        precision.Description = "Compile only the kernels of this precision. auto with --config is its torch_dtype " +
            "if architecture and model support it, and else float32; auto without --config is every supported one.";
        ExampleCommand command = new("ptx", "Compile the GPU kernels to PTX and list their resources. Needs no GPU.")
        {
            Notes =
            [
                "target: the oldest architecture that runs the text. A text for sm_90a runs on sm_90 only, with a",
                "driver of CUDA 12.0 or newer.",
                "registers and spills come from NVIDIA's assembler ptxas. It is searched in MSRESAMPLER_PTXAS,",
                "on the PATH, and in the folder of tools/get-ptxas.sh.",
                "smem: bytes of shared memory. spills: bytes of registers stored in memory. The other columns",
                "count instructions of the PTX text, where the body of a loop counts once; global and shared",
                "count those that read or write such memory.",
            ],
            Examples =
            [
                "msresampler ptx --arch sm_80 --out ptx",
                "msresampler ptx --arch sm_90 --out ptx --config config.json",
            ],
            Options = { architecture, output, config, precision },
        };
        command.SetAction(parsed =>
        {
            Run(parsed.GetRequiredValue(architecture), parsed.GetRequiredValue(output), parsed.GetValue(config),
                parsed.GetRequiredValue(precision), terminal, cancellationToken);
            return ExitCode.Done;
        });
        return command;
    }

    private static void Run(int architecture, string folder, string? configFile, PrecisionChoice precision,
        Terminal terminal, CancellationToken cancellationToken)
    {
        ResamplerConfig? config = configFile is null ? null : ReadConfig(configFile, terminal);
        KernelVariant[] variants = [.. Variants(architecture, config, precision)];
        Inputs inputs = new();
        if (configFile is not null)
            inputs.Add(configFile);
        using OutputFolder output = new(folder, "--out", inputs);
        Assemblers assemblers = new();
        List<IReadOnlyList<string>> rows = [];
        List<string> messages = [];
        KernelCompiler compiler = new(KernelCache.Default, PtxVersion.Default);
        foreach (KernelVariant variant in variants)
        {
            cancellationToken.ThrowIfCancellationRequested();
            terminal.Say($"compiling kernel {rows.Count + 1} of {variants.Length}");
            CompiledKernel kernel = variant.Compile(compiler, KernelTarget.Newest(architecture));
            string path = output.Write(FileName(kernel), Encoding.UTF8.GetBytes(kernel.Ptx), cancellationToken);
            PtxCounts counts = PtxCounts.Of(kernel.Ptx);
            PtxasReport? report = assemblers.TryAssemble(path, kernel.MachineTarget(architecture));
            if (report is { Messages.Length: > 0 })
                messages.AddRange(report.Messages.Split('\n').Select(message => $"{kernel.Name}: {message}"));
            int sharedBytes = (report?.SharedBytes ?? counts.SharedBytes) + variant.SharedBytes;
            rows.Add([kernel.Name, kernel.Target, Number(report?.Registers), Number(sharedBytes),
                Number(report?.SpillBytes), Number(counts.All), Number(counts.MultiplyAdds), Number(counts.Global),
                Number(counts.Shared), Number(counts.Barriers)]);
        }

        output.Commit();
        terminal.Table(["kernel", "target", ">registers", ">smem", ">spills", ">instructions", ">fma+mma", ">global",
            ">shared", ">barriers"], rows);
        terminal.Line(string.Create(CultureInfo.InvariantCulture,
            $"{rows.Count} kernel{(rows.Count == 1 ? "" : "s")} for sm_{architecture} in {folder}"));
        messages.ForEach(terminal.Warn);
        string[] missing = [.. assemblers.Missing];
        if (missing.Length > 0)
        {
            string names = string.Join(" and ", missing.Select(Versioned));
            string needed = assemblers.Any ? $" in a version that supports {names}" : "";
            terminal.Line($"registers and spills need NVIDIA's assembler{needed}: run tools/get-ptxas.sh, or set " +
                $"{PtxAssembler.PathVariable} to its path");
        }
    }

    /// <summary>The kernels to compile. The architecture supports all of them.</summary>
    /// <exception cref="InputException">The architecture or the model does not support the precision.</exception>
    private static IEnumerable<KernelVariant> Variants(int architecture, ResamplerConfig? config, PrecisionChoice asked)
    {
        KernelTarget target = KernelTarget.Newest(architecture);
        if (config is null && asked == PrecisionChoice.Auto)
            return KernelLibrary.All.Where(variant => variant.RunsOn(target));
        try
        {
            Precision precision = Precisions.Choose(asked.Precision,
                config is null ? Precision.Float32 : StoredIn(config), config, architecture, "--arch");
            return config is null ? KernelLibrary.Of(precision).Where(variant => variant.RunsOn(target))
                : KernelLibrary.Of(config, precision, target);
        }
        catch (NotSupportedException exception)
        {
            throw new InputException($"--precision {asked.Name}: {exception.Message}", exception);
        }
    }

    /// <summary>A target with the toolkit that introduced it, if that is newer than those of older systems.</summary>
    private static string Versioned(string target)
        => target == $"{KernelTarget.Hopper}" ? $"{target} (CUDA 12.0 or newer)" : target;

    private static Precision StoredIn(ResamplerConfig config) => config.TorchDType switch
    {
        WeightType.Float16 => Precision.Float16,
        WeightType.BFloat16 => Precision.BFloat16,
        _ => Precision.Float32,
    };

    private static ResamplerConfig ReadConfig(string path, Terminal terminal)
    {
        byte[] json = InputFile.ReadConfiguration(path, "--config");
        List<string> warnings = [];
        ResamplerConfig config = ConfigReader.Read(json, path, warnings);
        warnings.ForEach(terminal.Warn);
        return config;
    }

    /// <summary>The name of a kernel in lower-case letters, digits and hyphens.</summary>
    private static string FileName(CompiledKernel kernel)
    {
        IEnumerable<string> words = string.Concat(kernel.Name.Select(letter =>
            char.IsAsciiLetterOrDigit(letter) ? char.ToLowerInvariant(letter) : ' '))
            .Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return $"{string.Join('-', words)}.ptx";
    }

    private static string Number(int? value) => value is { } number ? Quantity.Count(number) : "-";
}
