namespace MsResampler.Claim.Statistics;

/// <summary>A mean with its 95 % confidence interval.</summary>
internal readonly record struct Interval(double Mean, double Low, double High)
{
    /// <summary>Whether the interval is above 0 or below it.</summary>
    public bool ExcludesZero => Low > 0 || High < 0;
}
