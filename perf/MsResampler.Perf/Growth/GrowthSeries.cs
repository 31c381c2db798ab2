namespace MsResampler.Perf.Growth;

/// <summary>The times of models that differ in one size.</summary>
/// <param name="Name">The name in tables and plots.</param>
/// <param name="Points">The sizes in ascending order, each with the time of a call.</param>
internal sealed record GrowthSeries(string Name, IReadOnlyList<GrowthPoint> Points)
{
    /// <summary>The exponent e of time ∝ sizeᵉ, by least squares on logarithmic scales.</summary>
    public double Exponent => Fit(Points);

    /// <summary>The exponent of the larger half of the points, where the fixed cost of a call has less
    /// influence.</summary>
    public double LargerExponent => Fit([.. Points.Skip(Points.Count / 2)]);

    private static double Fit(IReadOnlyList<GrowthPoint> points)
    {
        double meanX = points.Average(point => Math.Log(point.Size));
        double meanY = points.Average(point => Math.Log(point.Times.Median));
        return points.Sum(point => (Math.Log(point.Size) - meanX) * (Math.Log(point.Times.Median) - meanY))
            / points.Sum(point => Math.Pow(Math.Log(point.Size) - meanX, 2));
    }
}
