namespace MsResampler;

/// <summary>How a <see cref="Resampler"/> runs. Immutable; defaults suit most callers.</summary>
public sealed record ResamplerOptions
{
    /// <summary>The backend that computes.</summary>
    public Backend Backend { get; init; } = Backend.Cpu;

    /// <summary>Numeric precision of the backend; <see cref="Backend.Cpu"/> has float32 only.</summary>
    public Precision Precision { get; init; }

    /// <summary>Threads of the CPU backend, the caller's included; 0 means one per processor, and so does
    /// any number above that of the processors that this process may use, by its affinity and its container's quota.
    /// <see cref="Resampler.ThreadCount"/> says how many there are.</summary>
    public int ThreadCount { get; init; }

    /// <summary>Memory in bytes that the CPU backend keeps for patch grids seen before: plans, positions, biases and
    /// packed queries, in the bytes that are held. The least recently used grids go first; the newest grid and those that
    /// running calls read are kept whatever their size. The default of 256 MiB holds hundreds of grids, or a dozen of a
    /// large model whose queries have positions. Grids that do not fit are prepared again on their next call, which is
    /// slower but reuses the memory.</summary>
    public long GridCacheBytes { get; init; } = 256L << 20;

    /// <summary>Whether features are searched for NaN and infinities before anything is computed. Without this a call that
    /// such a feature reaches throws <see cref="ActivationOverflowException"/>, which does not name the feature.</summary>
    public bool ValidateFeatures { get; init; } = true;

    /// <summary>The processors that threads are limited to. Set by tests alone, which run more threads than there are
    /// processors.</summary>
    internal int ProcessorCount { get; init; } = Environment.ProcessorCount;
}
