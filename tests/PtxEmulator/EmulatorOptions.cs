namespace PtxEmulator;

/// <summary>The settings of an <see cref="EmulatedGpu"/>.</summary>
public sealed record EmulatorOptions
{
    /// <summary>The seed for the order in which the warps of a block run. The result of a correct kernel does not
    /// depend on it.</summary>
    public ulong Seed { get; init; }

    /// <summary>If set, sums are fused with products as an assembler may do it: the seed decides for every <c>add</c>
    /// and <c>sub</c> without rounding modifier that uses the result of such a <c>mul</c>.</summary>
    public ulong? ContractionSeed { get; init; }

    /// <summary>Whether matrix instructions truncate their sums as tensor cores do.</summary>
    public bool TruncatesMatrixSums { get; init; }

    /// <summary>If set, approximate float32 functions err by up to their stated bound. The error depends on the seed
    /// and the argument.</summary>
    public ulong? ApproximationSeed { get; init; }

    /// <summary>The size of the device memory. The system allocates its pages when they are first touched.</summary>
    public long MemoryBytes { get; init; } = 1L << 30;

    /// <summary>The number of threads that run blocks. Results, counters and faults do not depend on it.</summary>
    public int Workers { get; init; } = Environment.ProcessorCount;

    /// <summary>The number of instructions after which a warp is considered to hang.</summary>
    public long MaxWarpInstructions { get; init; } = 1L << 30;
}
