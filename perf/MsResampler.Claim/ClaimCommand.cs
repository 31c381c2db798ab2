using System.CommandLine;
using MsResampler.Claim.Arms;
using MsResampler.Claim.Report;
using MsResampler.Claim.Runs;
using MsResampler.Scenes;
using MsResampler.Training;

namespace MsResampler.Claim;

/// <summary>The command line of the experiment.</summary>
internal static class ClaimCommand
{
    // The rate that the experiment chose for the arm.
    private const double ExportRate = 2e-3;

    private const string ResultsFolder = "perf/results/claim";

    public static RootCommand Create()
    {
        Option<bool> quick = new("--quick")
        {
            Description = "Run a small experiment in minutes, in a folder of its own. Its results say nothing about " +
                "the arms.",
        };
        Option<bool> report = new("--report")
        {
            Description = "Write the report of the finished runs, and run nothing.",
        };
        Option<bool> times = new("--times")
        {
            Description = "Measure the time per image of every arm, and run nothing.",
        };
        Option<string[]> only = new("--only")
        {
            Description = $"Run these arms alone: {string.Join(", ", ArmList.All.Select(arm => arm.Name))}.",
            AllowMultipleArgumentsPerToken = true,
        };
        Option<int> seeds = new("--seeds") { Description = "The number of seeds; 0 for all of the experiment." };
        Option<double> minutes = new("--minutes")
        {
            Description = "Start no run after this time. The next call continues.",
            DefaultValueFactory = _ => double.PositiveInfinity,
        };
        Option<int> workers = new("--workers")
        {
            Description = "Runs at a time, each on one thread.",
            DefaultValueFactory = _ => Environment.ProcessorCount,
        };
        Option<string?> data = new("--data")
        {
            Description = $"The folder of Fashion-MNIST; default {GarmentSet.DefaultFolder}.",
        };
        Option<string?> output = new("--out")
        {
            Description = $"The folder of the results; default {ResultsFolder}, or a temporary one with --quick.",
        };
        Option<string?> export = new("--export")
        {
            Description = "Write the best model of the results to this folder, as the model of the command's demo, " +
                "and run nothing.",
            HelpName = "DIR",
        };
        Option<int> exportSteps = new("--export-steps")
        {
            Description = "With --export: train a model in so many steps, in place of a finished run.",
        };
        RootCommand command = new("Compares resamplers with several scopes and others at equal tokens. Results of " +
            "runs are kept as they finish; the next call continues.")
        {
            quick, report, times, only, seeds, minutes, workers, data, output, export,
            exportSteps,
        };
        command.SetAction((parsed, cancellationToken) => Task.Run(() =>
        {
            bool isQuick = parsed.GetValue(quick);
            string folder = parsed.GetValue(output) ?? (isQuick
                ? Path.Combine(Path.GetTempPath(), "msresampler-claim-quick") : ResultsFolder);
            RunPlan plan = isQuick ? RunPlan.Quick : RunPlan.Full;
            if (parsed.GetValue(seeds) is > 0 and int count)
            {
                ulong first = plan.Seeds[0];
                plan = plan with { Seeds = [.. Enumerable.Range(0, count).Select(index => first + (ulong)index)] };
            }

            foreach (string name in parsed.GetValue(only) ?? [])
                ArmList.Find(name);
            string source = parsed.GetValue(data) ?? GarmentSet.DefaultFolder;
            Experiment experiment = new(plan, ArmList.All, folder, split => GarmentSet.Load(source, split),
                Console.Out);
            if (parsed.GetValue(export) is { } target)
                return Export(experiment, target, source, parsed.GetValue(exportSteps), cancellationToken);
            return Run(experiment, folder, source, parsed.GetValue(report), parsed.GetValue(times),
                parsed.GetValue(only) ?? [], parsed.GetValue(workers), parsed.GetValue(minutes), cancellationToken);
        }, cancellationToken));
        return command;
    }

    private static int Run(Experiment experiment, string folder, string source, bool reports, bool times, string[] only,
        int workers, double minutes, CancellationToken cancellationToken)
    {
        return Guarded(() =>
        {
            if (times)
            {
                Timing.Measure(experiment).Save(folder);
            }
            else if (!reports)
            {
                // Refuses incomplete data before the first run.
                foreach (GarmentSplit split in Enum.GetValues<GarmentSplit>())
                    GarmentSet.Load(source, split);
                DateTime deadline = double.IsFinite(minutes) ? DateTime.UtcNow.AddMinutes(minutes) : DateTime.MaxValue;
                experiment.Run(only, workers, deadline, cancellationToken);
            }

            ClaimReport.Write(experiment, folder);
        });
    }

    private static int Export(Experiment experiment, string target, string source, int steps,
        CancellationToken cancellationToken)
        => Guarded(() =>
        {
            if (steps > 0)
                DemoExport.Train(target, ExportRate, new RunSettings { Steps = steps },
                    split => GarmentSet.Load(source, split), Console.Out, cancellationToken);
            else
                DemoExport.WriteBest(experiment, target, GarmentSet.Load(source, GarmentSplit.Test));
        });

    private static int Guarded(Action action)
    {
        try
        {
            action();
            return 0;
        }
        catch (OperationCanceledException)
        {
            Console.Error.WriteLine("Stopped. The next call continues with the runs that have not finished.");
            return 130;
        }
        catch (Exception problem) when (problem is InvalidDataException or IOException or UnauthorizedAccessException
            or ArgumentException or TrainingException or ActivationOverflowException)
        {
            Console.Error.WriteLine(problem.Message);
            return 1;
        }
    }
}
