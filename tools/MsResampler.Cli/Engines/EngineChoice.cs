namespace MsResampler.Cli.Engines;

/// <summary>What the options of a command say about the engine.</summary>
internal sealed record EngineChoice
{
    public BackendChoice Backend { get; init; } = BackendChoice.Auto;

    /// <summary>The GPU; null for the first usable one.</summary>
    public string? Device { get; init; }

    public Precision Precision { get; init; }

    /// <summary>The layers with 8 bits in <see cref="Precision.Int8"/>; null for those of
    /// <see cref="ResamplerOptions.Int8Layers"/>.</summary>
    public ModelLayers? Int8Layers { get; init; }

    /// <summary>How the CPU keeps weights in memory.</summary>
    public WeightStorage WeightStorage { get; init; }

    /// <summary>The number of threads; null for one per processor.</summary>
    public int? ThreadCount { get; init; }
}
