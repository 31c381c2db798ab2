using System.Text.Json.Serialization;

namespace MsResampler.Perf.Gpu;

/// <summary>The measured figures of a model on a device.</summary>
/// <param name="Precision">Numeric precision.</param>
/// <param name="Batch">Images in a call.</param>
/// <param name="Call">Time of the calling thread, from features in host memory to tokens in host memory.</param>
/// <param name="Warm">Device time of the forward pass. It starts on an idle device, right after the same call.</param>
/// <param name="Cold">The same, after other data has filled the second-level cache.</param>
/// <param name="Launches">The steps of the forward pass, with a warm cache.</param>
internal sealed record ModelFigures(string Precision, int Batch, Spread Call, Spread Warm, Spread Cold,
    IReadOnlyList<LaunchFigures> Launches)
{
    /// <summary>10⁹ operations of a call; null if unknown.</summary>
    public double? Gflop => Launches.Aggregate((double?)0, (sum, launch) => sum + launch.Gflop);

    /// <summary>The step with the largest matrix product; null if none is known.</summary>
    [JsonIgnore]
    public LaunchFigures? LargestProduct
        => Launches.Where(launch => launch.Product is not null).MaxBy(launch => launch.Gflop);

    /// <summary>The sum of the times of all launches, each measured separately, in milliseconds. It can be more or less
    /// than <see cref="Warm"/>, which also contains the gaps between launches: events lengthen each launch.</summary>
    public double LaunchMilliseconds => Launches.Sum(launch => launch.Milliseconds);
}
