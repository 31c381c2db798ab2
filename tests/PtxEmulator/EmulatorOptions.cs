namespace PtxEmulator;

/// <summary>How an <see cref="EmulatedGpu"/> runs.</summary>
public sealed record EmulatorOptions
{
    /// <summary>Decides the order in which the warps of a block run. Correct kernels do not depend on it.</summary>
    public ulong Seed { get; init; }

    /// <summary>Size of the device memory. Pages are taken from the system when they are first touched.</summary>
    public long MemoryBytes { get; init; } = 1L << 30;

    /// <summary>Threads that run blocks. Results, counters and faults do not depend on it.</summary>
    public int Workers { get; init; } = Environment.ProcessorCount;

    /// <summary>The instructions after which a warp is taken to hang.</summary>
    public long MaxWarpInstructions { get; init; } = 1L << 30;
}
