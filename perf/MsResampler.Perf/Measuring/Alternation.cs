using System.Diagnostics;

namespace MsResampler.Perf.Measuring;

/// <summary>Times things in turns, so that all see the same machine: blocks of calls, the first of each block
/// not counted, and before each block a wait until the threads of the one before have gone to
/// sleep.</summary>
internal static class Alternation
{
    private const int CallsPerBlock = 5;
    private const int MinRounds = 3;

    /// <summary>How idle is idle: less than a fifth of one processor over <see cref="s_probe"/>.</summary>
    private const double IdleShare = 0.2;

    private static readonly TimeSpan s_probe = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan s_longestWait = TimeSpan.FromSeconds(2);

    /// <summary>Times actions in turns, each of them first in its turn of rounds.</summary>
    /// <param name="duration">How long in all; every action has a few blocks whatever it takes.</param>
    /// <param name="actions">What to time.</param>
    /// <returns>One series per action.</returns>
    public static Samples[] Measure(TimeSpan duration, params Action[] actions)
    {
        Samples[] samples = [.. actions.Select(_ => new Samples())];
        Stopwatch total = Stopwatch.StartNew();
        for (int round = 0; round < MinRounds || total.Elapsed < duration; round++)
        {
            for (int turn = 0; turn < actions.Length; turn++)
            {
                int index = (round + turn) % actions.Length;
                RunBlock(actions[index], samples[index]);
            }
        }

        return samples;
    }

    private static void RunBlock(Action action, Samples samples)
    {
        WaitUntilIdle();
        action();
        for (int call = 0; call < CallsPerBlock; call++)
        {
            long start = Stopwatch.GetTimestamp();
            action();
            samples.Add(Stopwatch.GetElapsedTime(start));
        }
    }

    /// <summary>Thread pools spin after their last work, in hope of more; that must not slow whoever comes
    /// next.</summary>
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
