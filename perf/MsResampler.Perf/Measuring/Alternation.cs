using System.Diagnostics;

namespace MsResampler.Perf.Measuring;

/// <summary>Times two things in turns, so that both see the same machine: blocks of calls, the first of each block not
/// counted, and between blocks a wait until the threads of the other have gone to sleep.</summary>
internal static class Alternation
{
    private const int CallsPerBlock = 5;
    private const int MinRounds = 3;

    /// <summary>How idle is idle: less than a fifth of one processor over <see cref="s_probe"/>.</summary>
    private const double IdleShare = 0.2;

    private static readonly TimeSpan s_probe = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan s_longestWait = TimeSpan.FromSeconds(2);

    public static (Samples First, Samples Second) Measure(Action first, Action second, TimeSpan duration)
    {
        Samples firstSamples = new();
        Samples secondSamples = new();
        Stopwatch total = Stopwatch.StartNew();
        for (int round = 0; round < MinRounds || total.Elapsed < duration; round++)
        {
            // Each goes first every other time.
            if (round % 2 == 0)
                RunBlock(first, firstSamples);
            RunBlock(second, secondSamples);
            if (round % 2 == 1)
                RunBlock(first, firstSamples);
        }

        return (firstSamples, secondSamples);
    }

    /// <summary>Times one thing by itself.</summary>
    public static Samples Measure(Action action, TimeSpan duration)
    {
        Samples samples = new();
        Stopwatch total = Stopwatch.StartNew();
        do
            RunBlock(action, samples);
        while (total.Elapsed < duration);
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

    /// <summary>Thread pools spin after their last work, in hope of more; that must not slow whoever comes next.</summary>
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
