namespace MsResampler;

/// <summary>How a <see cref="Resampler"/> runs. Immutable; defaults suit most callers.</summary>
public sealed record ResamplerOptions
{
    /// <summary>What computes.</summary>
    public Backend Backend { get; init; } = Backend.Cpu;

    /// <summary>In what numbers the backend computes; <see cref="Backend.Cpu"/> in float32 alone.</summary>
    public Precision Precision { get; init; }

    /// <summary>Threads of the CPU backend, the caller's included; 0 means one per processor.</summary>
    public int ThreadCount { get; init; }

    /// <summary>Whether features are searched for NaN and infinities before anything is computed.</summary>
    public bool ValidateFeatures { get; init; } = true;
}
