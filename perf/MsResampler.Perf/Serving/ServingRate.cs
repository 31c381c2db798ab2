namespace MsResampler.Perf.Serving;

/// <summary>What a load measured.</summary>
/// <param name="ImagesPerSecond">Answers with one image each, per second.</param>
/// <param name="MedianMs">The median time of a call.</param>
/// <param name="HighMs">The 99th percentile.</param>
/// <param name="ClientShare">The client's share of the processor time of client and server.</param>
internal readonly record struct ServingRate(double ImagesPerSecond, double MedianMs, double HighMs, double ClientShare)
{
    private const double HighShare = 0.99;

    /// <summary>The figures of the times of all calls.</summary>
    public static ServingRate Of(double[] times, double seconds, double clientShare)
    {
        double[] sorted = [.. times.Order()];
        return new ServingRate(sorted.Length / seconds, sorted[sorted.Length / 2],
            sorted[Math.Min((int)(HighShare * sorted.Length), sorted.Length - 1)], clientShare);
    }
}
