using MsResampler.Perf.Measuring;

namespace MsResampler.Perf.Growth;

/// <summary>Times of one model family as one size grows.</summary>
/// <param name="Name">The name in tables and plots.</param>
/// <param name="Points">Sizes, growing, each with the times of a call there.</param>
internal sealed record GrowthSeries(string Name, IReadOnlyList<(int Size, Samples Times)> Points)
{
    /// <summary>e of time ∝ sizeᵉ by least squares in log-log, over all points.</summary>
    public double Exponent => Fit(Points);

    /// <summary>The same over the larger half of the points, where what a call costs at any size weighs
    /// less.</summary>
    public double LargerExponent => Fit([.. Points.Skip(Points.Count / 2)]);

    private static double Fit(IReadOnlyList<(int Size, Samples Times)> points)
    {
        double meanX = points.Average(point => Math.Log(point.Size));
        double meanY = points.Average(point => Math.Log(point.Times.Median));
        return points.Sum(point => (Math.Log(point.Size) - meanX) * (Math.Log(point.Times.Median) - meanY))
            / points.Sum(point => Math.Pow(Math.Log(point.Size) - meanX, 2));
    }
}
