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

    public Option<int?> Threads { get; } = Options.Threads();

    /// <summary>The values of the options.</summary>
    /// <exception cref="InputException">There are layers without <c>--precision int8</c>.</exception>
    public EngineChoice Read(ParseResult parsed)
    {
        PrecisionChoice precision = parsed.GetRequiredValue(Precision);
        ModelLayers? layers = parsed.GetValue(Int8Layers);
        EngineChoice choice = new()
        {
            Backend = parsed.GetRequiredValue(Backend),
            Device = parsed.GetValue(Device),
            Precision = precision.Precision,
            ThreadCount = parsed.GetValue(Threads),
        };
        if (layers is null)
            return choice;
        return precision.Precision == MsResampler.Precision.Int8 ? choice with { Int8Layers = layers.Value }
            : throw new InputException($"{Int8Layers.Name} can only be used with --precision int8, found {precision}");
    }
}
