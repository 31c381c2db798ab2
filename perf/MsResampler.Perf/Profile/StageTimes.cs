namespace MsResampler.Perf.Profile;

/// <summary>The times of a stage in one call, summed over the stacks of images that the call consists of.</summary>
/// <param name="Stage">The name of the stage.</param>
/// <param name="TaskCount">The number of its tasks.</param>
/// <param name="WallMs">From the end of the stage before to the end of its last task.</param>
/// <param name="BusyMs">The time of its tasks, summed over the threads.</param>
/// <param name="HandOverMs">From the end of the stage before to the first task of a thread, averaged over the
/// threads that ran a task.</param>
/// <param name="RunCount">How many times the stage ran: once per stack.</param>
internal sealed record StageTimes(string Stage, int TaskCount, double WallMs, double BusyMs, double HandOverMs,
    int RunCount)
{
    /// <summary>The stages of a call, in the order of their first execution.</summary>
    public static IReadOnlyList<StageTimes> Of(IEnumerable<WorkTimes> works)
    {
        List<StageTimes> stages = [];
        foreach (WorkTimes work in works)
        {
            long start = work.Start;
            for (int phase = 0; phase < work.PhaseCount; phase++)
            {
                if (work.TaskCount(phase) == 0)
                    continue;
                StageTimes times = OfPhase(work.Names[phase], work.Tasks(phase), start, out start);
                int known = stages.FindIndex(stage => stage.Stage == times.Stage);
                if (known < 0)
                    stages.Add(times);
                else
                    stages[known] = stages[known].Plus(times);
            }
        }

        return stages;
    }

    /// <summary>The medians of several calls.</summary>
    public static IReadOnlyList<StageTimes> Median(IReadOnlyList<IReadOnlyList<StageTimes>> calls)
    {
        return [.. calls[0].Select((stage, index) => stage with
        {
            WallMs = Typical(index, times => times.WallMs),
            BusyMs = Typical(index, times => times.BusyMs),
            HandOverMs = Typical(index, times => times.HandOverMs),
        })];

        double Typical(int index, Func<StageTimes, double> time)
            => Spread.Of(calls.Select(call => time(call[index]))).Median;
    }

    /// <summary>The time that threads did not compute: the start of the stage, waiting for its last task, and taking
    /// tasks.</summary>
    public double WaitedMs(int threadCount) => Math.Max(0, (threadCount * WallMs) - BusyMs);

    private StageTimes Plus(StageTimes other) => this with
    {
        TaskCount = TaskCount + other.TaskCount,
        WallMs = WallMs + other.WallMs,
        BusyMs = BusyMs + other.BusyMs,
        HandOverMs = HandOverMs + other.HandOverMs,
        RunCount = RunCount + other.RunCount,
    };

    private static StageTimes OfPhase(string name, ReadOnlySpan<TaskTime> tasks, long start, out long end)
    {
        SortedDictionary<int, long> first = [];
        double busy = 0;
        end = start;
        foreach (TaskTime task in tasks)
        {
            busy += task.Ms;
            end = Math.Max(end, task.End);
            first[task.Worker] = Math.Min(first.GetValueOrDefault(task.Worker, long.MaxValue), task.Start);
        }

        return new StageTimes(name, tasks.Length, TaskTime.Milliseconds(start, end), busy,
            first.Values.Average(time => TaskTime.Milliseconds(start, time)), RunCount: 1);
    }
}
