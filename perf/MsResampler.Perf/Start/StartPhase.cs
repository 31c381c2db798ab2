namespace MsResampler.Perf.Start;

/// <summary>What a phase of a process cost.</summary>
/// <param name="Name">The phase.</param>
/// <param name="Ms">Its time.</param>
/// <param name="JitMs">The time of the just-in-time compiler during the phase, summed over all threads.</param>
/// <param name="MethodCount">Methods compiled.</param>
/// <param name="PageFaultCount">Page faults; 0 if the system does not report them.</param>
/// <param name="AllocatedMiB">Managed memory allocated, in MiB.</param>
internal sealed record StartPhase(string Name, double Ms, double JitMs, double MethodCount, double PageFaultCount,
    double AllocatedMiB)
{
    /// <summary>The medians of a phase in several processes.</summary>
    public static StartPhase Median(IReadOnlyCollection<StartPhase> phases)
    {
        return new StartPhase(phases.First().Name, Of(phase => phase.Ms), Of(phase => phase.JitMs),
            Of(phase => phase.MethodCount), Of(phase => phase.PageFaultCount), Of(phase => phase.AllocatedMiB));

        double Of(Func<StartPhase, double> figure) => Spread.Of(phases.Select(figure)).Median;
    }
}
