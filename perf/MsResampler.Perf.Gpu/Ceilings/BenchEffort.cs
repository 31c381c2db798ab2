namespace MsResampler.Perf.Ceilings;

/// <summary>How much is done to measure.</summary>
/// <param name="Duration">How long to measure each figure.</param>
internal sealed record BenchEffort(TimeSpan Duration)
{
    /// <summary>Bytes of each of the two buffers of a copy: many times what the largest second-level cache
    /// holds.</summary>
    public long CopyBytes { get; init; } = 512L << 20;

    /// <summary>Steps of products in registers that keep a device busy for some tenths of a millisecond, so that
    /// launches queue up meanwhile.</summary>
    public int BusySteps { get; init; } = 256;

    /// <summary>Steps of products in registers that take some milliseconds, beside which the launch is
    /// nothing.</summary>
    public int ProductSteps { get; init; } = 4096;
}
