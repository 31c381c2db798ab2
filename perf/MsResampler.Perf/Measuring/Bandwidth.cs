using System.Diagnostics;

namespace MsResampler.Perf.Measuring;

/// <summary>The speed of reading memory of a given size per thread.</summary>
internal static class Bandwidth
{
    private const int Repeats = 8;

    /// <summary>Bytes that each thread reads in a repeat: some milliseconds.</summary>
    private const long BytesPerRepeat = 256L << 20;

    /// <summary>Returns the bytes per second that <paramref name="threadCount"/> threads read together, each in memory
    /// of its own. It is the best of several tries, because disturbances can only slow it down.</summary>
    public static double Measure(KernelSet kernels, int threadCount, long bytesPerThread)
    {
        using Barrier barrier = new(threadCount);
        AlignedBuffer[] buffers = [.. Enumerable.Range(0, threadCount).Select(_ => Filled(bytesPerThread))];
        long passes = Math.Max(1, BytesPerRepeat / bytesPerThread);
        double best = 0;
        for (int repeat = 0; repeat < Repeats; repeat++)
        {
            TimeSpan[] times = new TimeSpan[threadCount];
            Thread[] threads = [.. Enumerable.Range(0, threadCount).Select(index => new Thread(() =>
            {
                kernels.Read(buffers[index]);
                barrier.SignalAndWait();
                long start = Stopwatch.GetTimestamp();
                for (long pass = 0; pass < passes; pass++)
                    kernels.Read(buffers[index]);
                times[index] = Stopwatch.GetElapsedTime(start);
            }))];
            foreach (Thread thread in threads)
                thread.Start();
            foreach (Thread thread in threads)
                thread.Join();
            best = Math.Max(best, (double)bytesPerThread * passes * threadCount / times.Max().TotalSeconds);
        }

        return best;
    }

    /// <summary>Memory whose pages all exist: pages that were never written share one page of zeros.</summary>
    private static AlignedBuffer Filled(long bytes)
    {
        AlignedBuffer buffer = new(bytes / sizeof(float));
        buffer.Span.Fill(1);
        return buffer;
    }
}
