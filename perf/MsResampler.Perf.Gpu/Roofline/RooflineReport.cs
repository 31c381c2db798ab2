using System.Globalization;
using System.Text;

namespace MsResampler.Perf.Roofline;

/// <summary>The static roofline as Markdown. It depends only on model sizes and data sheets, so it is the same on every
/// machine.</summary>
internal static class RooflineReport
{
    /// <summary>The name of the file in the results folder.</summary>
    public const string FileName = "roofline.md";

    private const double LaunchMicroseconds = RooflineEstimate.LaunchSeconds * 1e6;

    private static readonly int[] s_batches = [1, 8, 64];

    public static string ToMarkdown()
    {
        StringBuilder text = new();
        text.Append(CultureInfo.InvariantCulture, $"""
            # Static roofline of the float16 forward pass

            Lower bounds, computed and not measured: the work of each launch divided by the peak rates in data sheets.
            The work follows from the model's sizes and from the engine's own attention schedule. The command
            `dotnet run -c Release --project perf/MsResampler.Perf -- roofline` writes this file; a test fails if it is
            out of date.

            Float16 is the speed of dense products with float32 accumulators, mma.sync the share of it that this
            instruction reaches.

            | device | multiprocessors | float16 | mma.sync | memory | second-level cache | source |
            |---|--:|--:|--:|--:|--:|---|

            """);
        foreach (RooflineDevice device in RooflineDevice.All)
        {
            text.Append(CultureInfo.InvariantCulture, $"| {device.Name} | {device.MultiprocessorCount} ");
            text.Append(CultureInfo.InvariantCulture, $"| {device.TensorTflops:0.#} TFLOP/s | {device.MmaShare:0%} ");
            text.Append(CultureInfo.InvariantCulture, $"| {device.MemoryGBs:0} GB/s | {device.CacheMB:0} MB ");
            text.Append(CultureInfo.InvariantCulture, $"| {device.Source} |\n");
        }

        AppendAssumptions(text);
        List<Case> cases = [.. from shape in PeerShape.All
                               from isShared in (bool[])[false, true]
                               from batch in s_batches
                               select new Case(shape with { ShareKeyValues = isShared }, batch)];
        text.Append("\n## Whole forward passes\n\n");
        AppendHeader(text, "| shape | K/V | batch ", "|---|---|--:", "launches | GFLOP | MB ");
        foreach (Case item in cases)
            AppendTotal(text, item);
        text.Append("\n## Launches\n");
        foreach (Case item in cases)
        {
            text.Append(CultureInfo.InvariantCulture, $"\n### {item.Name}, batch {item.Batch}\n\n");
            AppendHeader(text, "| launch | product ", "|---|---", "GFLOP | MB | FLOP/byte ");
            foreach (ForwardStep step in item.Steps)
                AppendStep(text, step);
        }

        return text.ToString();
    }

    private static void AppendAssumptions(StringBuilder text) => text.Append(CultureInfo.InvariantCulture, $"""

        The time of a launch is max(operations / peak, bytes / bandwidth) + {LaunchMicroseconds:0.0} µs. Assumptions:

        - The engine multiplies with mma.sync. On Ampere and Ada this instruction runs at full rate. On Hopper the data
          sheet counts wgmma, and mma.sync reaches about 60 % of it; the peak here is 60 % of the data sheet's.
        - Matrix products count whole tiles on the busiest multiprocessor, with the tile that the engine chooses for the
          device. Attention counts executed operations: units of 16 queries and 16 keys, head channels rounded up to the
          kernel's tile. Norms and the gate run at the float32 rate.
        - Each launch reads its weights and tables from memory once; the second-level cache keeps none of them from one
          call to the next. Results are written to memory. Input from the previous launch comes from the cache if it
          fills at most half of the cache, and else from memory. Keys and values are read from memory once, even if
          several query tiles use them.
        - In a replayed graph a kernel starts {LaunchMicroseconds:0.0} µs after the end of the previous one.
        - Latency, clocks below the data sheet's, bank conflicts and other instructions cost nothing. Real times are
          longer.

        The limiting factor ("bound") of a launch is one of: *memory*; *operations*; *tiles*, operations if the busiest
        multiprocessor has over a quarter more work than the average; *launch*, if starting it takes longer than its
        work. For a forward pass it is the factor that limits most of the time, with its share of the time.

        """);

    private static void AppendHeader(StringBuilder text, string first, string firstRule, string middle)
    {
        int columns = middle.Count(character => character == '|') + 1;
        text.Append(first).Append("| ").Append(middle);
        foreach (RooflineDevice device in RooflineDevice.All)
            text.Append(CultureInfo.InvariantCulture, $"| {device.Name}, µs | bound ");
        text.Append("|\n").Append(firstRule);
        text.Insert(text.Length, "|--:", columns);
        text.Insert(text.Length, "|--:|---", RooflineDevice.All.Count);
        text.Append("|\n");
    }

    private static void AppendTotal(StringBuilder text, Case item)
    {
        CultureInfo culture = CultureInfo.InvariantCulture;
        text.Append(culture, $"| {item.Shape.Name} | {(item.Shape.ShareKeyValues ? "shared" : "separate")} ");
        text.Append(culture, $"| {item.Batch} | {item.Steps.Count} ");
        text.Append(culture, $"| {item.Steps.Sum(step => step.CountWork().Flops) / 1e9:0.0} ");
        text.Append(culture, $"| {item.Steps.Sum(step => step.CountWork().Bytes) / 1e6:0.0} ");
        foreach (RooflineDevice device in RooflineDevice.All)
        {
            RooflineEstimate[] estimates =
                [.. item.Steps.Select(step => RooflineEstimate.Of(step.CountWork(), device))];
            double total = estimates.Sum(estimate => estimate.Seconds);
            (RooflineBound bound, double seconds) = estimates
                .GroupBy(estimate => estimate.Bound, (bound, bounded) => (bound, bounded.Sum(one => one.Seconds)))
                .MaxBy(pair => pair.Item2);
            text.Append(culture, $"| {total * 1e6:0.0} | {Word(bound)} {seconds / total:0%} ");
        }

        text.Append("|\n");
    }

    private static void AppendStep(StringBuilder text, ForwardStep step)
    {
        StepWork work = step.CountWork();
        CultureInfo culture = CultureInfo.InvariantCulture;
        text.Append(culture, $"| {step.Name} | {work.Product} | {work.Flops / 1e9:0.00} | {work.Bytes / 1e6:0.00} ");
        text.Append(culture, $"| {work.Flops / work.Bytes:0} ");
        foreach (RooflineDevice device in RooflineDevice.All)
        {
            RooflineEstimate estimate = RooflineEstimate.Of(work, device);
            text.Append(culture, $"| {estimate.Seconds * 1e6:0.0} | {Word(estimate.Bound)} ");
        }

        text.Append("|\n");
    }

    private static string Word(RooflineBound bound) => bound.ToString().ToLowerInvariant();

    /// <summary>A shape and a batch size.</summary>
    private sealed record Case(PeerShape Shape, int Batch)
    {
        public string Name => $"{Shape.Name}, {(Shape.ShareKeyValues ? "shared" : "separate")} keys and values";

        public IReadOnlyList<ForwardStep> Steps { get; } = StepsOf(Shape, Batch);

        private static IReadOnlyList<ForwardStep> StepsOf(PeerShape shape, int batch)
        {
            ResamplerConfig config = ConfigReader.Read(shape.ConfigJson(), shape.Name, new List<string>());
            return ForwardSteps.Describe(config, hasKeyValueInput: true, shape.Grid, batch, Precision.Float16,
                RooflineDevice.All[0].Properties);
        }
    }
}
