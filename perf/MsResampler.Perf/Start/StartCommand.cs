using System.CommandLine;

namespace MsResampler.Perf.Start;

/// <summary>The command <c>start</c>: divides the time from the start of a process to its first tokens into phases,
/// and says how much of each the just-in-time compiler takes.</summary>
internal static class StartCommand
{
    public static Command Create()
    {
        Option<int> threads = new("--threads")
        {
            Description = "Threads of the engine.",
            HelpName = "N",
            DefaultValueFactory = _ => Environment.ProcessorCount,
        };
        Option<int> batch = new("--batch")
        {
            Description = "Images in a call.",
            HelpName = "N",
            DefaultValueFactory = _ => 1,
        };
        Option<int> processes = new("--processes")
        {
            Description = "Processes of which the medians are taken.",
            HelpName = "N",
            DefaultValueFactory = _ => 9,
        };
        Option<string[]> shapes = ShapeOptions.NamesOption();
        Command command = new("start", "Divide the time from the start of a process to its first tokens on the CPU " +
            "into phases: compiler, memory, and the rest.")
        {
            shapes, batch, threads, processes,
        };
        command.SetAction(parsed =>
        {
            string[] names = parsed.GetValue(shapes) ?? [];
            PeerShape[] selected = [.. PeerShape.All.Where(shape => names.Length == 0 || names.Contains(shape.Name))];
            Run(selected, parsed.GetValue(batch), parsed.GetValue(threads), parsed.GetValue(processes));
        });
        return command;
    }

    private static void Run(IEnumerable<PeerShape> shapes, int batch, int threadCount, int processCount)
    {
        StartReport report = new([.. shapes.SelectMany(shape => (PeerShape[])[shape,
            shape with { ShareKeyValues = true }]).Select(shape => Measure(shape, batch, threadCount, processCount))]);
        string variant = CpuVariant.Choose().Name;
        string markdown = report.ToMarkdown(Machine.Describe(variant, $"start --batch {batch} --threads {threadCount}"),
            processCount);
        string folder = Machine.ResultsFolder(variant);
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "start.md"), markdown);
        Console.WriteLine(markdown);
    }

    private static ModelStart Measure(PeerShape shape, int batch, int threadCount, int processCount)
    {
        string folder = PerfModel.Of(shape).Folder;
        StartRun[] runs = [.. Enumerable.Range(0, processCount).Select(_ => Run(listens: false))];
        StartPhase[] phases = [.. runs[0].Phases.Select((_, index) => StartPhase.Median(
            [.. runs.Select(run => run.Phases[index])]))];
        string keys = shape.ShareKeyValues ? "shared" : "separate";
        return new ModelStart($"{shape.Name}, {keys} keys and values, batch {batch}, {threadCount} threads", phases,
            Run(listens: true).Methods);

        StartRun Run(bool listens) => StartRun.InNewProcess(folder, shape.Grid, batch, threadCount, listens);
    }
}
