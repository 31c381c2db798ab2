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

    public Option<WeightStorage> WeightStorage { get; } = Options.WeightStorage();

    public Option<int?> Threads { get; } = Options.Threads();

    /// <summary>The values of the options.</summary>
    /// <exception cref="InputException">There are layers without <c>--precision int8</c>, or weights as they
    /// are stored with something else than the CPU in float32.</exception>
    public EngineChoice Read(ParseResult parsed)
    {
        PrecisionChoice precision = parsed.GetRequiredValue(Precision);
        ModelLayers? layers = parsed.GetValue(Int8Layers);
        EngineChoice choice = new()
        {
            Backend = parsed.GetRequiredValue(Backend),
            Device = parsed.GetValue(Device),
            Precision = precision.Precision,
            WeightStorage = parsed.GetRequiredValue(WeightStorage),
            ThreadCount = parsed.GetValue(Threads),
        };
        if (choice.WeightStorage == MsResampler.WeightStorage.AsStored && WhyNotStored(choice) is { } found)
        {
            throw new InputException($"{WeightStorage.Name} as-stored can only be used with --backend cpu and " +
                $"--precision float32, found {found}");
        }

        if (layers is null)
            return choice;
        return precision.Precision == MsResampler.Precision.Int8 ? choice with { Int8Layers = layers.Value }
            : throw new InputException($"{Int8Layers.Name} can only be used with --precision int8, found {precision}");
    }

    /// <summary>The option that excludes weights as they are stored; null if there is none.</summary>
    private static string? WhyNotStored(EngineChoice choice)
        => choice.Device is not null ? $"--device {choice.Device}"
            : choice.Backend != BackendChoice.Auto && choice.Backend != BackendChoice.Cpu
                ? $"--backend {choice.Backend}"
            : choice.Precision is not (MsResampler.Precision.Auto or MsResampler.Precision.Float32)
                ? $"--precision {PrecisionChoice.NameOf(choice.Precision)}"
            : null;
}
