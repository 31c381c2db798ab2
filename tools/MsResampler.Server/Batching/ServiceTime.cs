namespace MsResampler.Server.Batching;

/// <summary>Measures how long the model takes per patch, and tells from it when a client may try again.</summary>
/// <param name="instanceCount">The number of batches at the same time.</param>
internal sealed class ServiceTime(int instanceCount)
{
    private const double MaxSeconds = 30;

    /// <summary>The share of the newest batch in the mean: the last ten or so count.</summary>
    private const double NewestShare = 0.2;

    private double _secondsPerPatch;

    /// <summary>Takes the time of a batch into account. One thread at a time calls it.</summary>
    public void Add(double cost, TimeSpan duration)
    {
        double measured = duration.TotalSeconds / Math.Max(cost, 1);
        double mean = Volatile.Read(ref _secondsPerPatch);
        Volatile.Write(ref _secondsPerPatch, mean == 0 ? measured : mean + (NewestShare * (measured - mean)));
    }

    /// <summary>The time until waiting work is done, from 1 to 30 whole seconds.</summary>
    /// <param name="cost">The number of patches that wait.</param>
    public TimeSpan RetryAfter(double cost) => TimeSpan.FromSeconds(Math.Clamp(
        Math.Ceiling(cost * Volatile.Read(ref _secondsPerPatch) / instanceCount), 1, MaxSeconds));
}
