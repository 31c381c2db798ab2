using MsResampler.Perf.Timing;

namespace MsResampler.Perf.Gpu;

/// <summary>What was measured of a model on one device.</summary>
/// <param name="Precision">Numeric precision.</param>
/// <param name="Batch">Images of a call.</param>
/// <param name="Call">The calling thread's time, from features in its memory to tokens in its memory.</param>
/// <param name="Warm">The device's time for the forward pass, begun on an idle device right after the same
/// call.</param>
/// <param name="Cold">The same after other memory has gone through the second-level cache.</param>
/// <param name="Launches">Its steps, with a warm cache.</param>
internal sealed record ModelFigures(string Precision, int Batch, Spread Call, Spread Warm, Spread Cold,
    IReadOnlyList<LaunchFigures> Launches)
{
    /// <summary>10⁹ operations of a call; null where they are not known.</summary>
    public double? Gflop => Launches.Aggregate((double?)0, (sum, launch) => sum + launch.Gflop);

    /// <summary>The time of all launches, each measured by itself, in milliseconds. What <see cref="Warm"/> has beside
    /// it went by between launches; events make each launch seem longer, so that it may also be less.</summary>
    public double LaunchMilliseconds => Launches.Sum(launch => launch.Milliseconds);
}
