using System.Diagnostics;

namespace MsResampler.Perf.Measuring;

/// <summary>The peak rate of multiply-adds of the processor: independent chains in registers, without memory
/// access.</summary>
internal static class FmaPeak
{
    private const long Steps = 2_000_000;
    private const int Repeats = 12;

    /// <summary>Returns the floating-point operations per second of <paramref name="threadCount"/> threads together. It
    /// is the best of several tries, because disturbances can only slow it down.</summary>
    public static double Measure(KernelSet kernels, int threadCount)
    {
        double best = 0;
        using Barrier barrier = new(threadCount);
        TimeSpan[] times = new TimeSpan[threadCount];
        double flops = 0;
        for (int repeat = 0; repeat < Repeats; repeat++)
        {
            Thread[] threads = [.. Enumerable.Range(0, threadCount).Select(index => new Thread(() =>
            {
                barrier.SignalAndWait();
                long start = Stopwatch.GetTimestamp();
                flops = kernels.MultiplyAddChains(Steps);
                times[index] = Stopwatch.GetElapsedTime(start);
            }))];
            foreach (Thread thread in threads)
                thread.Start();
            foreach (Thread thread in threads)
                thread.Join();
            best = Math.Max(best, flops * threadCount / times.Max().TotalSeconds);
        }

        return best;
    }
}
