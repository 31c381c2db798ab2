using System.Globalization;
using System.Text;
using MsResampler.Kernels.Attention;
using MsResampler.Model;
using MsResampler.Perf.Models;
using MsResampler.Planning;

namespace MsResampler.Perf.Roofline;

/// <summary>The static roofline as Markdown: from extents and data sheets alone, the same on every machine.</summary>
internal static class RooflineReport
{
    /// <summary>The file's name among the results.</summary>
    public const string FileName = "roofline.md";

    private static readonly int[] s_batches = [1, 8, 64];

    public static string ToMarkdown()
    {
        StringBuilder text = new();
        text.Append(CultureInfo.InvariantCulture, $"""
            # Static roofline of the half-precision forward pass

            Computed, not measured: what each launch has to do, from the model's extents and the attention schedule that
            the engine really uses, over what data sheets promise. `dotnet run -c Release --project
            perf/MsResampler.Perf -- roofline` writes this file; a test fails where it is out of date.

            Float16: dense products with float32 sums. Share: what mma.sync reaches of that.

            | device | multiprocessors | float16 | share | memory | second-level cache | source |
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
            foreach (LaunchWork work in item.Launches)
                AppendLaunch(text, work);
        }

        return text.ToString();
    }

    private static void AppendAssumptions(StringBuilder text) => text.Append(CultureInfo.InvariantCulture, $"""

        A launch takes max(operations / peak, bytes / bandwidth) + {RooflineEstimate.LaunchSeconds * 1e6:0.0} µs.

        - The engine multiplies with mma.sync, which is full rate on Ampere and Ada and reaches about 60 % of wgmma,
          which the data sheet counts, on Hopper: there the peak is 60 % of the data sheet's.
        - Operations of a product are those of whole tiles on the busiest multiprocessor, with the tile that the engine
          chooses for the device. Operations of attention are those executed: units of 16 queries and 16 keys, channels
          of a head rounded up to the kernel's tile. Operations of norms and the gate are at the float32 rate.
        - Weights and tables are read from memory once by each launch: the second-level cache keeps none of them from
          one call to the next. What a launch writes goes to memory. What it reads of the launch before comes from the
          cache if that is no more than half of the cache, else from memory. Keys and values are read from memory once,
          whatever number of query tiles gathers them.
        - The next kernel of a replayed graph starts {RooflineEstimate.LaunchSeconds * 1e6:0.0} µs after the one before
          it has ended: an assumption.
        - Nothing is lost to latency, clocks below those of the data sheet, bank conflicts or instructions beside the
          products: real times are larger.

        What bounds a launch: *memory*; *operations*; *tiles*, operations where whole tiles on the busiest
        multiprocessor are over a quarter more than its share; *launch*, where it takes less time than its start. Of a
        forward pass: what bounds most of its time, and how much of it.

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
        text.Append(culture, $"| {item.Batch} | {item.Launches.Count} ");
        text.Append(culture, $"| {item.Launches.Sum(work => work.Flops) / 1e9:0.0} ");
        text.Append(culture, $"| {item.Launches.Sum(work => work.Bytes) / 1e6:0.0} ");
        foreach (RooflineDevice device in RooflineDevice.All)
        {
            RooflineEstimate[] estimates = [.. item.Launches.Select(work => RooflineEstimate.Of(work, device))];
            double total = estimates.Sum(estimate => estimate.Seconds);
            (RooflineBound bound, double seconds) = estimates
                .GroupBy(estimate => estimate.Bound, (bound, bounded) => (bound, bounded.Sum(one => one.Seconds)))
                .MaxBy(pair => pair.Item2);
            text.Append(culture, $"| {total * 1e6:0.0} | {Word(bound)} {seconds / total:0%} ");
        }

        text.Append("|\n");
    }

    private static void AppendLaunch(StringBuilder text, LaunchWork work)
    {
        CultureInfo culture = CultureInfo.InvariantCulture;
        text.Append(culture, $"| {work.Step} | {work.Product} | {work.Flops / 1e9:0.00} | {work.Bytes / 1e6:0.00} ");
        text.Append(culture, $"| {work.Flops / work.Bytes:0} ");
        foreach (RooflineDevice device in RooflineDevice.All)
        {
            RooflineEstimate estimate = RooflineEstimate.Of(work, device);
            text.Append(culture, $"| {estimate.Seconds * 1e6:0.0} | {Word(estimate.Bound)} ");
        }

        text.Append("|\n");
    }

    private static string Word(RooflineBound bound) => bound.ToString().ToLowerInvariant();

    /// <summary>A shape with a batch.</summary>
    private sealed record Case(PeerShape Shape, int Batch)
    {
        public string Name => $"{Shape.Name}, {(Shape.ShareKeyValues ? "shared" : "separate")} keys and values";

        public IReadOnlyList<LaunchWork> Launches { get; } = LaunchesOf(Shape, Batch);

        private static IReadOnlyList<LaunchWork> LaunchesOf(PeerShape shape, int batch)
        {
            ResamplerConfig config = ConfigReader.Read(shape.ConfigJson(), shape.Name, new List<string>());
            Planner planner = new(config, hasKeyValueInput: true, ScopeSchedule.Costs);
            return ForwardWork.Half(config, hasKeyValueInput: true, planner.Plan(shape.Grid), batch);
        }
    }
}
