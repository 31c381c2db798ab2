namespace MsResampler.Perf.Timing;

/// <summary>Times of one thing, in milliseconds.</summary>
/// <param name="Median">Half of them are shorter.</param>
/// <param name="P10">A tenth of them are shorter.</param>
/// <param name="P90">A tenth of them are longer.</param>
/// <param name="Count">How many there are.</param>
internal readonly record struct Spread(double Median, double P10, double P90, int Count)
{
    /// <summary>The spread of samples, of which there is one at least.</summary>
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
