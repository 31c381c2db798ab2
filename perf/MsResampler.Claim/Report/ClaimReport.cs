using System.Text;
using MsResampler.Claim.Runs;
using MsResampler.Files;

namespace MsResampler.Claim.Report;

/// <summary>The report of an experiment: <c>README.md</c> with its plots.</summary>
internal static class ClaimReport
{
    private const string FileName = "README.md";

    /// <summary>Writes the report of the finished runs.</summary>
    public static void Write(Experiment experiment, string folder)
    {
        ArmResults[] results = [.. experiment.Arms.Select(arm => ArmResults.Collect(experiment, arm))];
        if (results.All(result => result.Runs.Count == 0))
        {
            Console.WriteLine("No final run has finished yet; there is no report.");
            return;
        }

        ClaimPlots.Save(results, folder);
        if (experiment.KeepBestModel() is { } seed)
            Console.WriteLine($"{experiment.BestModelFolder} is the model of seed {seed}, the best on the " +
                "validation split.");
        using AtomicFile file = new(Path.Combine(folder, FileName));
        file.Stream.Write(Encoding.UTF8.GetBytes(new ClaimText(experiment, results, Timing.Load(folder)).ToMarkdown()));
        file.Commit(default);
        Console.WriteLine($"Wrote {Path.Combine(folder, FileName)}.");
    }
}
