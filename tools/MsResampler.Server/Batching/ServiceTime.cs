namespace MsResampler.Server.Batching;

/// <summary>Measures how long the model takes per patch, and tells from it when a client may try again. All members
/// are thread-safe.</summary>
/// <param name="instanceCount">The number of batches at the same time.</param>
internal sealed class ServiceTime(int instanceCount)
{
    private const double MaxSeconds = 30;

    /// <summary>The share of the newest batch in the mean: the last ten or so count.</summary>
    private const double NewestShare = 0.2;

    private readonly Lock _lock = new();
    private double _secondsPerPatch;

    /// <summary>Takes the time of a batch into account.</summary>
    public void Add(double cost, TimeSpan duration)
    {
        double measured = duration.TotalSeconds / Math.Max(cost, 1);
        lock (_lock)
            _secondsPerPatch = _secondsPerPatch == 0 ? measured
                : _secondsPerPatch + (NewestShare * (measured - _secondsPerPatch));
    }

    /// <summary>The time until waiting work is done, from 1 to 30 whole seconds.</summary>
    /// <param name="cost">The number of patches that wait.</param>
    public TimeSpan RetryAfter(double cost)
    {
        lock (_lock)
            return TimeSpan.FromSeconds(Math.Clamp(Math.Ceiling(cost * _secondsPerPatch / instanceCount), 1,
                MaxSeconds));
    }
}
