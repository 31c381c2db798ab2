using System.Globalization;
using System.Text;

namespace MsResampler.Perf.Roofline;

/// <summary>The static roofline as Markdown. It depends only on model sizes and data sheets, so it is the same on every
/// machine.</summary>
internal static class RooflineReport
{
    /// <summary>The name of the file in the results folder.</summary>
    public const string FileName = "roofline.md";

    public static string ToMarkdown()
    {
        StringBuilder text = new();
        text.Append("""
            # Static roofline of the float16 forward pass

            Lower bounds, computed and not measured: the work of each launch divided by the peak rates in data sheets.
            The work follows from the model's sizes, from the tiles that the engine chooses for the device and from its
            attention schedule. The command `dotnet run -c Release --project perf/MsResampler.Perf -- roofline` writes
            this file; a test fails if it is out of date.

            Float16 is the speed of dense products with float32 accumulators, mma.sync the share of it that this
            instruction reaches, cache the second-level cache, cache reads its bandwidth to all multiprocessors, and
            start the time from the end of a kernel to the start of the next one in a replayed graph.

            | device | multiprocessors | float16 | mma.sync | memory | cache | cache reads | start | source |
            |---|--:|--:|--:|--:|--:|--:|--:|---|

            """);
        foreach (RooflineDevice device in RooflineDevice.All)
            AppendDevice(text, device);
        AppendAssumptions(text);
        text.Append("\n## Whole forward passes\n\n");
        RooflineHopper.AppendSaving(text);
        AppendHeader(text, "| shape | K/V | batch ", "|---|---|--:", "launches | GFLOP | MB ");
        foreach (RooflineCase item in RooflineCase.All)
            AppendTotal(text, item);
        RooflineHopper.Append(text);
        text.Append("\n## Launches\n");
        foreach (RooflineCase item in RooflineCase.All)
        {
            text.Append(CultureInfo.InvariantCulture, $"\n### {item.Title}\n\n");
            AppendHeader(text, "| launch | product ", "|---|---", "GFLOP | MB | FLOP/byte ");
            for (int step = 0; step < item.Names.Count; step++)
                AppendStep(text, item, step);
        }

        return text.ToString();
    }

    /// <summary>The limiting factor in tables.</summary>
    internal static string Word(RooflineBound bound) => bound.ToString().ToLowerInvariant();

    private static void AppendDevice(StringBuilder text, RooflineDevice device)
    {
        CultureInfo culture = CultureInfo.InvariantCulture;
        double cache = device.CacheBytesPerSecond(RooflineEstimate.FamilyOn(device));
        text.Append(culture, $"| {device.Name} | {device.MultiprocessorCount} | {device.TensorTflops:0.#} TFLOP/s ");
        text.Append(culture, $"| {device.MmaShare:0%} | {device.MemoryGBs:0} GB/s | {device.CacheMB:0} MB ");
        text.Append(culture, $"| {cache / 1e12:0.0} TB/s | {device.LaunchSeconds * 1e6:0.0} µs | {device.Source} |\n");
    }

    private static void AppendAssumptions(StringBuilder text) => text.Append("""

        The time of a launch is max(operations / peak, bytes / bandwidth, cache reads / bandwidth of the cache) + start.
        Assumptions:

        - On Hopper, matrix products use wgmma at the full rate of the data sheet, and attention uses mma.sync, which
          reaches about 60 % of it. On Ampere and Ada both use mma.sync, which runs at full rate there.
        - Matrix products count whole tiles on the busiest multiprocessor, with the tile that the engine chooses for the
          device. Attention counts executed operations: units of 16 queries and 16 keys, head channels rounded up to the
          kernel's tile. Norms and the gate run at the float32 rate.
        - Each launch reads its weights and tables from memory once; the second-level cache keeps none of them from one
          call to the next. Results are written to memory. Input from the previous launch comes from the cache if it
          fills at most half of the cache, and else from memory. Keys and values are read from memory once, even if
          several query tiles use them.
        - A tile of a product reads its rows of A and W from the second-level cache, slice by slice: tiles × slices ×
          (rows + columns) × the bytes of a row of a slice. The bandwidth of the cache is the
          one with which the engine chooses tiles (`GemmCost`): the 5120 bytes per cycle of an A100, from its
          whitepaper, the same bytes per multiply-add on Ada, and the same 5120 bytes on Hopper, for which none is
          published. If the real one is higher, launches that the cache limits have lower bounds than these.
        - In a replayed graph a kernel starts 1.5 µs after the end of the previous one. On Hopper, where it is resident
          before that end (programmatic dependent launch), 1.0 µs is assumed. The command `gpu` measures both.
        - Latency, clocks below the data sheet's, bank conflicts and other instructions cost nothing. Real times are
          longer.

        The limiting factor ("bound") of a launch is one of: *memory*; *operations*; *tiles*, operations if the busiest
        multiprocessor has over a quarter more work than the average; *cache*, reads of tiles from the second-level
        cache; *launch*, if starting it takes longer than its work. For a forward pass it is the factor that limits most
        of the time, with its share of the time. The tile of a product follows its bound.

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

    private static void AppendTotal(StringBuilder text, RooflineCase item)
    {
        CultureInfo culture = CultureInfo.InvariantCulture;
        text.Append(culture, $"{item.Cells}| {item.Names.Count} | {item.Work.Sum(work => work.Flops) / 1e9:0.0} ");
        text.Append(culture, $"| {item.Work.Sum(work => work.Bytes) / 1e6:0.0} ");
        foreach (RooflineDevice device in RooflineDevice.All)
        {
            double total = item.SecondsOn(device);
            (RooflineBound bound, double seconds) = item.On(device)
                .GroupBy(estimate => estimate.Bound, (bound, bounded) => (bound, bounded.Sum(one => one.Seconds)))
                .MaxBy(pair => pair.Item2);
            text.Append(culture, $"| {total * 1e6:0.0} | {Word(bound)} {seconds / total:0%} ");
        }

        text.Append("|\n");
    }

    private static void AppendStep(StringBuilder text, RooflineCase item, int step)
    {
        CultureInfo culture = CultureInfo.InvariantCulture;
        StepWork work = item.Work.ElementAt(step);
        text.Append(culture, $"| {item.Names[step]} | {work.Product} | {work.Flops / 1e9:0.00} ");
        text.Append(culture, $"| {work.Bytes / 1e6:0.00} | {work.Flops / work.Bytes:0} ");
        foreach (RooflineDevice device in RooflineDevice.All)
        {
            RooflineEstimate estimate = item.On(device)[step];
            text.Append(culture, $"| {estimate.Seconds * 1e6:0.0} | {Word(estimate.Bound)}");
            text.Append(estimate.Shape is { } tile ? $", {tile.Rows}×{tile.Columns} " : " ");
        }

        text.Append("|\n");
    }
}
