namespace MsResampler.Perf.Profile;

/// <summary>The tasks of one phase of one work.</summary>
/// <param name="Work">Index of the work in its call.</param>
/// <param name="Stage">The name of the phase.</param>
/// <param name="TaskMs">The time of each task in milliseconds.</param>
internal sealed record PhaseTasks(int Work, string Stage, double[] TaskMs)
{
    public static PhaseTasks Of(WorkTimes work, int index, int phase)
    {
        double[] times = new double[work.TaskCount(phase)];
        for (int task = 0; task < times.Length; task++)
            times[task] = work.Tasks(phase)[task].Ms;
        return new PhaseTasks(index, work.Names[phase], times);
    }

    /// <summary>The median of each task over several calls.</summary>
    public static PhaseTasks Median(IReadOnlyList<PhaseTasks> calls) => calls[0] with
    {
        TaskMs = [.. calls[0].TaskMs.Select((_, task) => Spread.Of(calls.Select(call => call.TaskMs[task])).Median)],
    };

    /// <summary>The simulated time of phases with a barrier after each.</summary>
    /// <param name="phases">The phases.</param>
    /// <param name="threadCount">The number of threads.</param>
    /// <param name="handOverMs">The time from the end of a phase to the first tasks of the next, if there are several
    /// threads.</param>
    public static double Time(IReadOnlyList<PhaseTasks> phases, int threadCount, double handOverMs)
        => phases.Sum(phase => Barriers.Makespan(phase.TaskMs, threadCount) + (threadCount > 1 ? handOverMs : 0));

    /// <summary>The stage whose tasks leave the threads idle for the longest time, and that time summed over the
    /// threads.</summary>
    public static (string Stage, double IdleMs) MostIdle(IReadOnlyList<PhaseTasks> phases, int threadCount)
        => phases.GroupBy(phase => phase.Stage).Select(stage => (stage.Key, IdleMs: stage.Sum(phase =>
            (threadCount * Barriers.Makespan(phase.TaskMs, threadCount)) - phase.TaskMs.Sum())))
            .MaxBy(stage => stage.IdleMs);
}
