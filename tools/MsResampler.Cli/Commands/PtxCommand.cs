using System.CommandLine;
using System.Text;
using MsResampler.Cli.Display;
using MsResampler.Cli.Engines;
using MsResampler.Cli.Input;
using MsResampler.Cli.Output;
using MsResampler.Cli.Ptx;
using MsResampler.Kernels.Compiler;
using MsResampler.Kernels.Forward;
using MsResampler.Model;

namespace MsResampler.Cli.Commands;

/// <summary><c>ptx</c>: the kernels as text.</summary>
internal static class PtxCommand
{
    public static ExampleCommand Create(Terminal terminal, CancellationToken cancellationToken)
    {
        Option<int> architecture = Options.Architecture();
        Option<string> output = new("--out")
        {
            Description = "The folder to write, one file for each kernel; created where it is missing.",
            HelpName = "DIR",
            Required = true,
        };
        Option<string?> config = new("--config")
        {
            Description = "Only the kernels that a model of this config.json uses.",
            HelpName = "FILE",
        };
        Option<PrecisionChoice> precision = Options.Precision();
        precision.Description = "Only the kernels of this precision; auto: with --config its torch_dtype where " +
            "architecture and model allow it, else float32; without, every precision that the architecture has.";
        ExampleCommand command = new("ptx", "Compile the GPU kernels to PTX and say what each needs. Needs no GPU.")
        {
            Notes =
            [
                "Registers and spills are what NVIDIA's assembler says, where it is found: in MSRESAMPLER_PTXAS, on the",
                "PATH, or where tools/get-ptxas.sh puts it. Instructions are those of the text: a loop's body counts once.",
                "smem and spills are bytes of shared memory and of registers that did not fit; global and shared are",
                "instructions that read or write such memory.",
            ],
            Examples =
            [
                "msresampler ptx --arch sm_80 --out ptx",
                "msresampler ptx --arch sm_90 --out ptx --config config.json",
            ],
        };
        command.Options.Add(architecture);
        command.Options.Add(output);
        command.Options.Add(config);
        command.Options.Add(precision);
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
        PtxAssembler? assembler = PtxAssembler.Find();
        bool isKnown = assembler?.Knows(architecture) ?? false;
        List<IReadOnlyList<string>> rows = [];
        using KernelCompiler compiler = new(KernelCache.Default, PtxVersion.Default);
        foreach (KernelVariant variant in variants)
        {
            cancellationToken.ThrowIfCancellationRequested();
            terminal.Say($"compiling kernel {rows.Count + 1} of {variants.Length}");
            CompiledKernel kernel = variant.Compile(compiler, architecture);
            string path = output.Write(FileName(kernel), Encoding.UTF8.GetBytes(kernel.Ptx), cancellationToken);
            PtxCounts counts = PtxCounts.Of(kernel.Ptx);
            PtxasReport? report = isKnown ? assembler!.Assemble(path, architecture) : null;
            rows.Add([kernel.Name, Number(report?.Registers), Number(report?.SharedBytes ?? counts.SharedBytes),
                Number(report?.SpillBytes), Number(counts.All), Number(counts.MultiplyAdds), Number(counts.Global),
                Number(counts.Shared), Number(counts.Barriers)]);
        }

        output.Commit();
        terminal.Table(["kernel", ">registers", ">smem", ">spills", ">instructions", ">fma+mma", ">global", ">shared",
            ">barriers"], rows);
        terminal.Line($"{rows.Count} {(rows.Count == 1 ? "kernel" : "kernels")} for sm_{architecture} in {folder}");
        if (!isKnown)
        {
            terminal.Line($"registers and spills need NVIDIA's assembler{(assembler is null ? "" : $", one that knows " +
                $"sm_{architecture}")}: tools/get-ptxas.sh brings it, or {PtxAssembler.PathVariable} names it");
        }
    }

    /// <summary>The kernels to compile: each runs on the architecture.</summary>
    /// <exception cref="InputException">The architecture or the model does not allow the precision.</exception>
    private static IEnumerable<KernelVariant> Variants(int architecture, ResamplerConfig? config, PrecisionChoice asked)
    {
        if (config is null && asked == PrecisionChoice.Auto)
            return KernelLibrary.All.Where(variant => variant.MinArchitecture <= architecture);
        try
        {
            Precision precision = Precisions.Choose(asked.Precision,
                config is null ? Precision.Float32 : StoredIn(config), config, architecture, "--arch");
            return config is null ? KernelLibrary.Of(precision) : KernelLibrary.Of(config, precision);
        }
        catch (NotSupportedException exception)
        {
            throw new InputException($"--precision {asked.Name}: {exception.Message}", exception);
        }
    }

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

    /// <summary>The kernel's name in small letters, digits and hyphens.</summary>
    private static string FileName(CompiledKernel kernel)
    {
        IEnumerable<string> words = string.Concat(kernel.Name.Select(letter =>
            char.IsAsciiLetterOrDigit(letter) ? char.ToLowerInvariant(letter) : ' '))
            .Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return $"{string.Join('-', words)}.ptx";
    }

    private static string Number(int? value) => value is { } number ? Quantity.Count(number) : "-";
}
