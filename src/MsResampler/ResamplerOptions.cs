namespace MsResampler;

/// <summary>How a <see cref="Resampler"/> runs. Immutable; defaults suit most callers.</summary>
public sealed record ResamplerOptions
{
    /// <summary>What computes.</summary>
    public Backend Backend { get; init; } = Backend.Cpu;

    /// <summary>In what numbers the backend computes; <see cref="Backend.Cpu"/> in float32 alone.</summary>
    public Precision Precision { get; init; }

    /// <summary>Threads of the CPU backend, the caller's included; 0 means one per processor. More than the processors
    /// that this process may use (its affinity and its container's quota are counted) are not started: they would only
    /// take processors from each other. <see cref="Resampler.ThreadCount"/> says how many there are.</summary>
    public int ThreadCount { get; init; }

    /// <summary>Memory in bytes that the CPU backend keeps for patch grids seen before: plans, positions, biases and
    /// packed queries, counted as they are held. The least recently used ones go first; what calls under way read, and
    /// the newest grid, are kept whatever their size. 256 MiB unless set, which holds hundreds of grids (where queries see
    /// positions, a dozen of a large model). A service of more grids than fit is slower, for it makes operands again,
    /// in memory that it keeps for that.</summary>
    public long GridCacheBytes { get; init; } = 256L << 20;

    /// <summary>Whether features are searched for NaN and infinities before anything is computed. Without this a call that
    /// such a feature reaches throws <see cref="ActivationOverflowException"/>, which does not name the feature.</summary>
    public bool ValidateFeatures { get; init; } = true;

    /// <summary>The processors that threads are limited to. Set by tests alone, which run more threads than there are
    /// processors.</summary>
    internal int ProcessorCount { get; init; } = Environment.ProcessorCount;
}
