using System.CommandLine;
using System.Globalization;
using System.Text;
using MsResampler.Perf.Start;
using MsResampler.Safetensors;

namespace MsResampler.Perf.Storage;

/// <summary>The command <c>storage</c>: memory and times with the weights of 16-bit checkpoints in float32 and as they
/// are stored. The tokens must have the same bits.</summary>
internal static class StorageCommand
{
    private static readonly int[] s_batches = [1, 8];
    private static readonly TensorType[] s_types = [TensorType.BF16, TensorType.F16];
    private static readonly WeightStorage[] s_storages = [WeightStorage.Float32, WeightStorage.AsStored];

    public static Command Create()
    {
        Option<bool> quick = new("--quick") { Description = "Measure each case for half a second only." };
        Option<int> threads = new("--threads")
        {
            Description = "Threads of the engine.",
            HelpName = "N",
            DefaultValueFactory = _ => Environment.ProcessorCount,
        };
        Option<int> processes = new("--processes")
        {
            Description = "Processes of which the median times to prepare and of the first call are taken.",
            HelpName = "N",
            DefaultValueFactory = _ => 5,
        };
        Option<string[]> shapes = ShapeOptions.NamesOption();
        Command command = new("storage", "Compare weights in float32 with weights as a 16-bit checkpoint stores " +
            "them: memory, time to prepare, and times of calls on the CPU.")
        {
            quick, threads, processes, shapes,
        };
        command.SetAction(parsed =>
        {
            string[] names = parsed.GetValue(shapes) ?? [];
            PeerShape[] selected = [.. from shape in PeerShape.All
                                       where names.Length == 0 || names.Contains(shape.Name)
                                       from isShared in (bool[])[false, true]
                                       select shape with { ShareKeyValues = isShared }];
            Run(selected, parsed.GetValue(quick), parsed.GetValue(threads), parsed.GetValue(processes),
                isWhole: names.Length == 0);
        });
        return command;
    }

    private static void Run(PeerShape[] shapes, bool isQuick, int threadCount, int processCount, bool isWhole)
    {
        string variant = CpuVariant.Choose().Name;
        CultureInfo culture = CultureInfo.InvariantCulture;
        StringBuilder text = new("# Weights in float32 and as they are stored\n\n");
        text.Append(Machine.Describe(variant, $"storage{(isQuick ? " --quick" : "")} --threads {threadCount}"));
        text.Append(culture, $"""

            Each pair is in float32, then as stored. Weights: memory after calls, in MiB. Prepare (reading and packing
            the weights) and first call: medians of {processCount} new processes with the files in the page cache.
            Calls: medians of calls in turns, with {threadCount} threads, and the ratio of their times. Times are in
            ms. The tokens have the same bits.


            """);
        text.Append("| model | keys and values | stored | weights | prepare | first call |");
        foreach (int batch in s_batches)
            text.Append(culture, $" batch {batch} | ratio |");
        text.Append("\n|---|---|---|--:|--:|--:|").AppendJoin("", s_batches.Select(_ => "--:|--:|")).Append('\n');
        foreach (PeerShape shape in shapes)
        {
            foreach (TensorType type in s_types)
            {
                StorageRow[] pair = Measure(shape, type, isQuick, threadCount, processCount);
                (StorageRow wide, StorageRow own) = (pair[0], pair[1]);
                text.Append(culture, $"| {shape.Name} | {(shape.ShareKeyValues ? "shared" : "separate")} | {type} ");
                text.Append(culture, $"| {MiB(wide)} → {MiB(own)} | {wide.PrepareMs:0.0} → {own.PrepareMs:0.0} ");
                text.Append(culture, $"| {wide.FirstMs:0.0} → {own.FirstMs:0.0} |");
                foreach ((Spread before, Spread after) in wide.Calls.Zip(own.Calls))
                {
                    text.Append(culture, $" {before.Median:0.00} → {after.Median:0.00} ");
                    text.Append(culture, $"| {after.Median / before.Median:0.000} |");
                }

                text.Append('\n');
            }
        }

        Console.WriteLine(text);
        if (!isWhole)
            return;
        string folder = Machine.ResultsFolder(variant);
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "storage.md"), text.ToString());
    }

    private static string MiB(StorageRow row)
        => (row.WeightBytes / (double)(1 << 20)).ToString("0.0", CultureInfo.InvariantCulture);

    /// <summary>Measures a model with each storage of <see cref="s_storages"/>.</summary>
    private static StorageRow[] Measure(PeerShape shape, TensorType type, bool isQuick, int threadCount,
        int processCount)
    {
        PerfModel model = PerfModel.Of(shape, type: type);
        Resampler[] engines = [.. s_storages.Select(storage => Resampler.Load(model.Folder,
            new ResamplerOptions { ThreadCount = threadCount, WeightStorage = storage }))];
        try
        {
            List<Spread>[] calls = [[], []];
            foreach (int batch in s_batches)
            {
                float[] features = model.Features(batch);
                PatchGrid[] grids = model.Grids(batch);
                float[][] tokens = [model.Tokens(batch), model.Tokens(batch)];
                Spread[] spreads = Alternation.Measure(TimeSpan.FromSeconds(isQuick ? 0.5 : 4),
                    [.. engines.Select((engine, index) => (Action)(() =>
                        engine.Resample(features, grids, tokens[index])))]);
                for (int index = 0; index < calls.Length; index++)
                    calls[index].Add(spreads[index]);
                if (!tokens[0].AsSpan().SequenceEqual(tokens[1]))
                    throw new InvalidOperationException($"{shape.Key}, {type}, batch {batch}: expected tokens with " +
                        "the same bits, found a relative L2 difference of " +
                        $"{Agreement.RelativeL2(tokens[1], tokens[0])}");
            }

            StartRun[][] starts = [[], []];
            for (int process = 0; process < processCount; process++)
                for (int index = 0; index < starts.Length; index++)
                    starts[index] = [.. starts[index], StartRun.InNewProcess(model.Folder, shape.Grid, 1, threadCount,
                        listens: false, s_storages[index])];
            return [.. engines.Select((engine, index) => new StorageRow(engine.WeightBytes!.Value, calls[index],
                Median(starts[index], StartRun.PreparePhase), Median(starts[index], StartRun.FirstCallPhase)))];
        }
        finally
        {
            foreach (Resampler engine in engines)
                engine.Dispose();
        }
    }

    private static double Median(StartRun[] runs, string phase)
        => Spread.Of(runs.Select(run => run.Phases.Single(found => found.Name == phase).Ms)).Median;
}
