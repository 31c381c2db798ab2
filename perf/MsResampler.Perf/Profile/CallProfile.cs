using System.Diagnostics;

namespace MsResampler.Perf.Profile;

/// <summary>The times of a call and of its stages: medians of several calls.</summary>
/// <param name="Call">The time of a call in milliseconds.</param>
/// <param name="Stages">The stages of a call.</param>
/// <param name="OutsideMs">The time between the stages: preparing, starting and ending work.</param>
/// <param name="Phases">Every phase that ran, in order.</param>
internal sealed record CallProfile(Spread Call, IReadOnlyList<StageTimes> Stages, double OutsideMs,
    IReadOnlyList<PhaseTasks> Phases)
{
    private const int WarmCalls = 2;
    private const int MinCalls = 5;

    /// <summary>Measures calls one after another.</summary>
    /// <param name="pool">The threads of the engine that <paramref name="call"/> uses.</param>
    /// <param name="duration">The total duration; there are at least <see cref="MinCalls"/> calls.</param>
    /// <param name="call">The call.</param>
    public static CallProfile Measure(TimingPool pool, TimeSpan duration, Action call)
    {
        for (int warm = 0; warm < WarmCalls; warm++)
            Time(pool, call);
        List<double> times = [];
        List<IReadOnlyList<StageTimes>> stages = [];
        List<PhaseTasks[]> phases = [];
        Stopwatch total = Stopwatch.StartNew();
        while (times.Count < MinCalls || total.Elapsed < duration)
        {
            times.Add(Time(pool, call));
            stages.Add(StageTimes.Of(pool.Works));
            phases.Add([.. pool.Works.SelectMany((work, index) => Enumerable.Range(0, work.PhaseCount)
                .Where(phase => work.TaskCount(phase) > 0)
                .Select(phase => PhaseTasks.Of(work, index, phase)))]);
        }

        return new CallProfile(Spread.Of(times), StageTimes.Median(stages),
            Spread.Of(times.Select((time, index) => time - stages[index].Sum(stage => stage.WallMs))).Median,
            [.. phases[0].Select((_, index) => PhaseTasks.Median([.. phases.Select(call => call[index])]))]);
    }

    private static double Time(TimingPool pool, Action call)
    {
        pool.Restart();
        long start = Stopwatch.GetTimestamp();
        call();
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }
}
