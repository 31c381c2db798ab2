namespace MsResampler.Perf.Profile;

/// <summary>The predicted speed on a number of threads, relative to one thread.</summary>
/// <param name="Threads">The number of threads.</param>
/// <param name="UncutSpeedUp">With the tasks that the engine cuts for one thread.</param>
/// <param name="SpeedUp">With the tasks that the engine cuts for this number of threads.</param>
/// <param name="GraphSpeedUp">With the same tasks, dependencies in place of barriers, and no cost of taking a
/// task.</param>
/// <param name="IdleStage">The stage in which threads wait for the longest time.</param>
/// <param name="IdleShare">That time as a share of the threads' time.</param>
/// <param name="ChainMs">The longest task of every phase, summed: the time with any number of threads.</param>
/// <param name="GraphChainMs">The longest chain of tasks that depend on one another.</param>
internal sealed record ScalingPoint(int Threads, double UncutSpeedUp, double SpeedUp, double GraphSpeedUp,
    string IdleStage, double IdleShare, double ChainMs, double GraphChainMs)
{
    public double Efficiency => SpeedUp / Threads;
}
