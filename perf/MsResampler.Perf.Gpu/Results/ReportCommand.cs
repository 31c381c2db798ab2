using System.CommandLine;

namespace MsResampler.Perf.Results;

/// <summary>The command <c>report</c>: turns the results of the GPU bundle into the tables of perf/results.</summary>
internal static class ReportCommand
{
    private const int NoResults = 2;

    public static Command Create()
    {
        Argument<string> folder = new("folder") { Description = "The folder of the bundle's results." };
        Command command = new("report", "Write the results of the GPU bundle to perf/results/DEVICE/, as tables and " +
            "as they came, and print the lines for the README's status.") { folder };
        command.SetAction(parsed => Run(parsed.GetRequiredValue(folder)));
        return command;
    }

    private static int Run(string folder)
    {
        if (BundleReport.Read(folder) is not { } report)
        {
            Console.Error.WriteLine($"report: {folder}: expected {ResultLog.FileName} with the row of a GPU");
            return NoResults;
        }

        string name = Machine.PlainName(report.Device);
        string target = Directory.CreateDirectory(Path.Combine(Machine.Results, name)).FullName;
        File.Copy(Path.Combine(folder, ResultLog.FileName), Path.Combine(target, ResultLog.FileName), overwrite: true);
        File.WriteAllText(Path.Combine(target, "bundle.md"), report.ToMarkdown());
        if (report.Gpu is { } gpu)
            File.WriteAllText(Path.Combine(target, "gpu.md"), gpu.ToMarkdown());
        Console.WriteLine(report.Status($"perf/results/{name}"));
        return 0;
    }
}
