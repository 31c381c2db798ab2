namespace MsResampler.Perf.Ceilings;

/// <summary>How long and with how much data a benchmark measures.</summary>
/// <param name="Duration">The duration of each measurement.</param>
internal sealed record BenchEffort(TimeSpan Duration)
{
    /// <summary>As little as possible, for an emulated device.</summary>
    public static BenchEffort Tiny { get; } =
        new(TimeSpan.Zero) { CopyBytes = 1 << 14, BusySteps = 1, ProductSteps = 1 };

    /// <summary>The size of each of the two buffers of a copy: several times the largest second-level cache.</summary>
    public long CopyBytes { get; init; } = 512L << 20;

    /// <summary>Steps of <see cref="MmaCeiling{TElement}"/> that keep a device busy for some tenths of a millisecond:
    /// meanwhile the launches to measure queue up.</summary>
    public int BusySteps { get; init; } = 256;

    /// <summary>Steps of <see cref="MmaCeiling{TElement}"/> that take some milliseconds, so that the cost of the launch
    /// is negligible.</summary>
    public int ProductSteps { get; init; } = 4096;
}
