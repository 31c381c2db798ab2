namespace MsResampler.Perf.Measuring;

/// <summary>The simulated execution of phases with a barrier after each, as the engine's threads run them: a free
/// thread takes the next task of the phase.</summary>
internal static class Barriers
{
    /// <summary>The time until the last task of a phase ends.</summary>
    public static double Makespan(double[] taskMs, int threadCount)
    {
        PriorityQueue<int, double> free = new();
        for (int thread = 0; thread < Math.Min(threadCount, taskMs.Length); thread++)
            free.Enqueue(thread, 0);
        double last = 0;
        foreach (double time in taskMs)
        {
            free.TryDequeue(out int thread, out double now);
            last = Math.Max(last, now + time);
            free.Enqueue(thread, now + time);
        }

        return last;
    }
}
