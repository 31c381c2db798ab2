using MsResampler.Claim.Arms;
using MsResampler.Claim.Runs;
using MsResampler.Claim.Statistics;

namespace MsResampler.Claim.Report;

/// <summary>The finished runs of an arm, by seed.</summary>
internal sealed record ArmResults(Arm Arm, IReadOnlyDictionary<ulong, RunResult> Runs)
{
    public static ArmResults Collect(Experiment experiment, Arm arm)
        => new(arm, experiment.Plan.Seeds.Select(seed => experiment.Runs.Find(Experiment.RunName(arm, seed)))
            .OfType<RunResult>().ToDictionary(run => run.Seed));

    /// <summary>A value of each run that has it.</summary>
    public double[] Values(Func<RunResult, double?> value)
        => [.. Runs.Values.Select(value).OfType<double>()];

    /// <summary>The mean of a value; NaN if no run has it.</summary>
    public double Mean(Func<RunResult, double?> value) => Values(value) is { Length: > 0 } values ? values.Average()
        : double.NaN;

    /// <summary>The differences to another arm, for the seeds that both have.</summary>
    public double[] Differences(ArmResults other, Func<RunResult, double?> value)
        => [.. Runs.Values.Where(run => other.Runs.ContainsKey(run.Seed))
            .Select(run => value(run) - value(other.Runs[run.Seed])).OfType<double>()];

    /// <summary>The interval of the mean difference to another arm; null without common seeds.</summary>
    public Interval? Compare(ArmResults other, Func<RunResult, double?> value)
        => Differences(other, value) is { Length: > 0 } differences ? Bootstrap.OfMean(differences) : null;
}
