namespace MsResampler.Training;

/// <summary>A learning rate that rises linearly to a peak and then falls along half a cosine.</summary>
/// <remarks>With W steps of warm-up and T steps in total, the rate of step t = 1, 2, …, T is<br/>
/// peak · t/W for t ≤ W<br/>
/// floor + (peak − floor) · (1 + cos(π·(t − 1 − W)/(T − W)))/2 for t &gt; W.<br/>
/// The first step after the warm-up has the peak, and no step has a rate of exactly the floor.</remarks>
public sealed record CosineSchedule
{
    /// <summary>Describes the schedule.</summary>
    /// <param name="peak">The largest rate; above 0.</param>
    /// <param name="warmupSteps">W; at least 0 and below T.</param>
    /// <param name="totalSteps">T; at least 1.</param>
    /// <param name="floor">The rate to which the cosine falls; at least 0 and at most <paramref name="peak"/>.</param>
    /// <exception cref="ArgumentException">A number is out of range.</exception>
    public CosineSchedule(double peak, long warmupSteps, long totalSteps, double floor = 0)
    {
        if (!(peak > 0) || !double.IsFinite(peak))
            throw new ArgumentException($"peak: expected a finite number above 0, found {peak:R}", nameof(peak));
        if (totalSteps < 1)
            throw new ArgumentException($"total steps: expected at least 1, found {totalSteps}", nameof(totalSteps));
        if (warmupSteps < 0 || warmupSteps >= totalSteps)
            throw new ArgumentException($"warm-up: expected at least 0 and below {totalSteps} steps in total, " +
                $"found {warmupSteps}", nameof(warmupSteps));
        if (!(floor >= 0 && floor <= peak))
            throw new ArgumentException($"floor: expected at least 0 and at most {peak:R}, found {floor:R}",
                nameof(floor));
        (Peak, WarmupSteps, TotalSteps, Floor) = (peak, warmupSteps, totalSteps, floor);
    }

    /// <summary>The largest rate.</summary>
    public double Peak { get; }

    /// <summary>The number of steps of the warm-up.</summary>
    public long WarmupSteps { get; }

    /// <summary>The number of steps in total.</summary>
    public long TotalSteps { get; }

    /// <summary>The rate to which the cosine falls.</summary>
    public double Floor { get; }

    /// <summary>The learning rate of a step. After the last step it is <see cref="Floor"/>.</summary>
    /// <param name="step">The step, from 1.</param>
    public double RateAt(long step)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(step, 1);
        if (step <= WarmupSteps)
            return Peak * step / WarmupSteps;
        double progress = Math.Min(1, (double)(step - 1 - WarmupSteps) / (TotalSteps - WarmupSteps));
        return Floor + ((Peak - Floor) * (1 + Math.Cos(Math.PI * progress)) / 2);
    }
}
