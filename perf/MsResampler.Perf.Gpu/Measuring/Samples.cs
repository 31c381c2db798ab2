namespace MsResampler.Perf.Measuring;

/// <summary>Times of one thing, in milliseconds.</summary>
internal sealed class Samples
{
    private readonly List<double> _sorted = [];

    public int Count => _sorted.Count;

    public double Median => Quantile(0.5);

    public double P10 => Quantile(0.1);

    public double P90 => Quantile(0.9);

    public void Add(TimeSpan time)
    {
        double value = time.TotalMilliseconds;
        int index = _sorted.BinarySearch(value);
        _sorted.Insert(index < 0 ? ~index : index, value);
    }

    private double Quantile(double share)
    {
        double position = share * (_sorted.Count - 1);
        int below = (int)position;
        int above = Math.Min(below + 1, _sorted.Count - 1);
        return _sorted[below] + ((position - below) * (_sorted[above] - _sorted[below]));
    }
}
