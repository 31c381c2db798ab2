namespace MsResampler.Perf.Measuring;

/// <summary>Statistics of repeated measurements, in milliseconds.</summary>
/// <param name="Median">The median.</param>
/// <param name="P10">The 10th percentile.</param>
/// <param name="P90">The 90th percentile.</param>
/// <param name="Count">The number of samples.</param>
internal readonly record struct Spread(double Median, double P10, double P90, int Count)
{
    /// <summary>The statistics of one or more samples, with linear interpolation between samples.</summary>
    public static Spread Of(IEnumerable<double> milliseconds)
    {
        double[] sorted = [.. milliseconds.Order()];
        return new Spread(Quantile(0.5), Quantile(0.1), Quantile(0.9), sorted.Length);

        double Quantile(double share)
        {
            double position = share * (sorted.Length - 1);
            int below = (int)position;
            int above = Math.Min(below + 1, sorted.Length - 1);
            return sorted[below] + ((position - below) * (sorted[above] - sorted[below]));
        }
    }
}
