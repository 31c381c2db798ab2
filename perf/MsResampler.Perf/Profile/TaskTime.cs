using System.Diagnostics;

namespace MsResampler.Perf.Profile;

/// <summary>When a task ran, in ticks of <see cref="Stopwatch"/>.</summary>
/// <param name="Start">Its start.</param>
/// <param name="End">Its end.</param>
/// <param name="Worker">Its thread.</param>
internal readonly record struct TaskTime(long Start, long End, int Worker)
{
    public double Ms => Milliseconds(Start, End);

    /// <summary>The milliseconds between two times.</summary>
    public static double Milliseconds(long start, long end) => (end - start) * 1e3 / Stopwatch.Frequency;
}
