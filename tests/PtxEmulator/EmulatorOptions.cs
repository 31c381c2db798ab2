namespace PtxEmulator;

/// <summary>The settings of an <see cref="EmulatedGpu"/>.</summary>
public sealed record EmulatorOptions
{
    /// <summary>The seed for the order in which the warps of a block run. The result of a correct kernel does not
    /// depend on it.</summary>
    public ulong Seed { get; init; }

    /// <summary>The size of the device memory. The system allocates its pages when they are first touched.</summary>
    public long MemoryBytes { get; init; } = 1L << 30;

    /// <summary>The number of threads that run blocks. Results, counters and faults do not depend on it.</summary>
    public int Workers { get; init; } = Environment.ProcessorCount;

    /// <summary>The number of instructions after which a warp is considered to hang.</summary>
    public long MaxWarpInstructions { get; init; } = 1L << 30;
}
