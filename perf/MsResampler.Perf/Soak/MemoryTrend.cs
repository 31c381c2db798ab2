namespace MsResampler.Perf.Soak;

/// <summary>How the memory of a process develops.</summary>
/// <param name="FirstBytes">The median of the first half of the samples after the warm-up.</param>
/// <param name="LastBytes">The median of the second half.</param>
/// <param name="MaxBytes">The maximum after the warm-up.</param>
/// <param name="BytesPerHour">The slope of a line through all samples after the warm-up.</param>
internal readonly record struct MemoryTrend(double FirstBytes, double LastBytes, double MaxBytes, double BytesPerHour)
{
    /// <summary>The share of the samples that is the warm-up: code is compiled, pools fill, the collector finds its
    /// sizes.</summary>
    public const double WarmUpShare = 0.4;

    /// <summary>Memory is flat if the second median is above the first by at most this share, or by
    /// <see cref="FlatBytes"/>. The medians are 0.3 of the duration apart: in 30 minutes with 500 requests a second,
    /// 270,000 requests, so that a leak of 9 KB, the features of a request, is found if one request in 150 has it.
    /// A slower leak needs a longer run; the report has the slope.</summary>
    private const double FlatShare = 0.05;

    /// <summary>What the collector may keep more or less from one sample to the next: a choice, above the 10 MiB or so
    /// that single samples differ by.</summary>
    private const double FlatBytes = 16 << 20;

    /// <summary>Whether the memory does not grow.</summary>
    public bool IsFlat => LastBytes - FirstBytes <= Math.Max(FlatShare * FirstBytes, FlatBytes);

    /// <summary>The trend of samples.</summary>
    /// <param name="samples">Seconds since the start, and bytes.</param>
    public static MemoryTrend Of(IReadOnlyList<(double Seconds, long Bytes)> samples)
    {
        (double Seconds, long Bytes)[] rest = [.. samples.Skip((int)(WarmUpShare * samples.Count))];
        double meanSeconds = rest.Average(sample => sample.Seconds);
        double meanBytes = rest.Average(sample => (double)sample.Bytes);
        double covariance = rest.Sum(sample => (sample.Seconds - meanSeconds) * (sample.Bytes - meanBytes));
        double variance = rest.Sum(sample => Math.Pow(sample.Seconds - meanSeconds, 2));
        int half = rest.Length / 2;
        return new MemoryTrend(Median(rest[..half]), Median(rest[half..]), rest.Max(sample => sample.Bytes),
            variance > 0 ? 3600 * covariance / variance : 0);

        static double Median((double Seconds, long Bytes)[] part)
            => part.Select(sample => (double)sample.Bytes).Order().ElementAt(part.Length / 2);
    }
}
