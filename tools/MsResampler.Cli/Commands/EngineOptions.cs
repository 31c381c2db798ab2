using System.CommandLine;

namespace MsResampler.Cli.Commands;

/// <summary>The options of a command that runs a model.</summary>
/// <param name="backends">The backends that the command offers.</param>
internal sealed class EngineOptions(params BackendChoice[] backends)
{
    public Option<BackendChoice> Backend { get; } = Options.Backend(backends);

    public Option<string?> Device { get; } = Options.Device();

    public Option<PrecisionChoice> Precision { get; } = Options.Precision();

    public Option<ModelLayers?> Int8Layers { get; } = Options.Int8Layers("With --precision int8");

    public Option<WeightStorage?> WeightStorage { get; } = Options.WeightStorage();

    public Option<int?> Threads { get; } = Options.Threads();

    /// <summary>The values of the options.</summary>
    /// <exception cref="InputException">There are integers, or weights as they are stored, with something else than the
    /// CPU; or the latter with something else than float32.</exception>
    public EngineChoice Read(ParseResult parsed)
    {
        PrecisionChoice precision = parsed.GetRequiredValue(Precision);
        EngineChoice choice = new()
        {
            Backend = parsed.GetRequiredValue(Backend),
            Device = parsed.GetValue(Device),
            Precision = precision.Precision,
            Int8Layers = parsed.GetValue(Int8Layers),
            WeightStorage = parsed.GetValue(WeightStorage) ?? MsResampler.WeightStorage.Float32,
            ThreadCount = parsed.GetValue(Threads),
        };
        if (choice.WeightStorage == MsResampler.WeightStorage.AsStored && WhyNotStored(choice) is { } found)
        {
            throw new InputException($"{WeightStorage.Name} as-stored can only be used with --backend cpu and " +
                $"--precision float32, found {found}");
        }

        if (precision.Precision == MsResampler.Precision.Int8 && WhyNotCpu(choice) is { } other)
            throw new InputException($"{Precision.Name} int8 can only be used with --backend cpu, found {other}");
        if (choice.Int8Layers is not null && WhyNotCpu(choice) is { } backend)
            throw new InputException($"{Int8Layers.Name} can only be used with --backend cpu, found {backend}");
        if (choice.Int8Layers is not null
            && precision.Precision is not (MsResampler.Precision.Int8 or MsResampler.Precision.Auto))
            throw new InputException($"{Int8Layers.Name} can only be used with --precision int8, found {precision}");
        return choice;
    }

    /// <summary>The option that excludes the CPU; null if there is none.</summary>
    private static string? WhyNotCpu(EngineChoice choice) => choice.Device is not null ? $"--device {choice.Device}"
        : choice.Backend != BackendChoice.Auto && choice.Backend != BackendChoice.Cpu ? $"--backend {choice.Backend}"
        : null;

    /// <summary>The option that excludes weights as they are stored; null if there is none.</summary>
    private static string? WhyNotStored(EngineChoice choice)
        => WhyNotCpu(choice) ?? (choice.Precision is MsResampler.Precision.Auto or MsResampler.Precision.Float32 ? null
            : $"--precision {PrecisionChoice.NameOf(choice.Precision)}");
}
