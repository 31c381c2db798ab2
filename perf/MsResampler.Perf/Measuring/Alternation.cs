using System.Diagnostics;

namespace MsResampler.Perf.Measuring;

/// <summary>Times several actions in turns, so that slow changes of the machine affect all of them equally. A turn is a
/// block of calls, and the first call is not counted. Before each block the threads of the previous block must be
/// idle.</summary>
internal static class Alternation
{
    private const int CallsPerBlock = 5;
    private const int MinRounds = 3;

    /// <summary>The process is idle if it uses less than this share of one processor during
    /// <see cref="s_probe"/>.</summary>
    private const double IdleShare = 0.2;

    private static readonly TimeSpan s_probe = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan s_longestWait = TimeSpan.FromSeconds(2);

    /// <summary>Times actions in turns. The action that starts a round changes from round to round.</summary>
    /// <param name="duration">The total duration; every action has at least <see cref="MinRounds"/> blocks.</param>
    /// <param name="actions">The actions to time.</param>
    /// <returns>The times of each action.</returns>
    public static Spread[] Measure(TimeSpan duration, params Action[] actions)
    {
        List<double>[] samples = [.. actions.Select(_ => new List<double>())];
        Stopwatch total = Stopwatch.StartNew();
        for (int round = 0; round < MinRounds || total.Elapsed < duration; round++)
        {
            for (int turn = 0; turn < actions.Length; turn++)
            {
                int index = (round + turn) % actions.Length;
                RunBlock(actions[index], samples[index]);
            }
        }

        return [.. samples.Select(Spread.Of)];
    }

    private static void RunBlock(Action action, List<double> samples)
    {
        WaitUntilIdle();
        action();
        for (int call = 0; call < CallsPerBlock; call++)
        {
            long start = Stopwatch.GetTimestamp();
            action();
            samples.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }
    }

    /// <summary>Threads of a pool spin for a while after their last work. They must not slow the next action.</summary>
    private static void WaitUntilIdle()
    {
        Stopwatch waited = Stopwatch.StartNew();
        TimeSpan used;
        TimeSpan elapsed;
        do
        {
            TimeSpan before = Environment.CpuUsage.TotalTime;
            long start = Stopwatch.GetTimestamp();
            Thread.Sleep(s_probe);
            elapsed = Stopwatch.GetElapsedTime(start);
            used = Environment.CpuUsage.TotalTime - before;
        }
        while (used > elapsed * IdleShare && waited.Elapsed < s_longestWait);
    }
}
