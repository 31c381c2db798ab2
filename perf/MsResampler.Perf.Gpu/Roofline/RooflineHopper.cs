using System.Globalization;
using System.Text;

namespace MsResampler.Perf.Roofline;

/// <summary>The sections of the roofline about H100 and H200: what bounds products by warpgroups, and what attention
/// could gain from them.</summary>
internal static class RooflineHopper
{
    private const int LargeBatch = 64;

    /// <summary>The shape with the most patches.</summary>
    private const string Largest = "hires";

    /// <summary>Appends what an H200 saves of the times of an H100.</summary>
    public static void AppendSaving(StringBuilder text)
    {
        string most = MostSavedByMemory((item, device) => item.SecondsOn(device));
        string mostWithoutCache = MostSavedByMemory((item, device) => AttentionGain.Of(item, device).Seconds);
        text.Append(CultureInfo.InvariantCulture, $"""
            An H200 differs from an H100 in its memory alone. By these bounds a forward pass takes at most {most} less
            time on it, and at most {mostWithoutCache} less if the second-level cache limits no launch (the times of
            "Attention on Hopper").


            """);
    }

    public static void Append(StringBuilder text)
    {
        AppendProducts(text);
        AppendAttention(text);
    }

    private static void AppendProducts(StringBuilder text)
    {
        text.Append(CultureInfo.InvariantCulture, $"""

            ## What bounds products on Hopper

            The terms of the bound for the products of batch {LargeBatch}, in µs without the start of the launch:
            operations of whole tiles on the busiest multiprocessor, reads of the tiles from the second-level cache, and
            memory. Operations and cache are the same on both devices.

            | shape | product | tile | operations | cache | memory, H100 | memory, H200 |
            |---|---|---|--:|--:|--:|--:|

            """);
        HashSet<string> seen = [];
        foreach (RooflineCase item in RooflineCase.All.Where(item => item.Batch == LargeBatch))
        {
            for (int step = 0; step < item.Names.Count; step++)
            {
                RooflineEstimate[] estimates = [.. RooflineDevice.Hopper.Select(device => item.On(device)[step])];
                if (estimates[0].Shape is not { } tile || !seen.Add($"{item.Names[step]} {estimates[0].Work.Product}"))
                    continue;
                text.Append(CultureInfo.InvariantCulture, $"| {item.Shape.Name} | {item.Names[step]}, ");
                text.Append(CultureInfo.InvariantCulture, $"{estimates[0].Work.Product} | {tile.Rows}×{tile.Columns} ");
                text.Append(CultureInfo.InvariantCulture, $"| {estimates[0].Operations * 1e6:0.0} ");
                text.Append(CultureInfo.InvariantCulture, $"| {estimates[0].Cache * 1e6:0.0} ");
                foreach (RooflineEstimate estimate in estimates)
                    text.Append(CultureInfo.InvariantCulture, $"| {estimate.Memory * 1e6:0.0} ");
                text.Append("|\n");
            }
        }
    }

    private static void AppendAttention(StringBuilder text)
    {
        text.Append(CultureInfo.InvariantCulture, $"""

            ## Attention on Hopper

            Attention multiplies with mma.sync. For each device the table has the time of the forward pass, the bound of
            attention, its share of the pass, and which share of the pass would be saved if attention multiplied with
            wgmma at full rate, and if its products were free, so that only memory and the start of the launch remained.
            The time of the pass is the one without the bound of the second-level cache, with which the shares are
            largest.

            Attention stays on mma.sync. With separate keys and values, wgmma would save at most {MostSaved(false)}:
            for more than one image, memory limits attention. With shared ones it would save at most
            {MostSaved(true, except: Largest)} of clip-l-336 and siglip-384 and {MostSaved(true, only: Largest)} of
            {Largest}. These are limits of the gain as far as products limit attention; its softmax and the exchange
            between its warps would stay. Whether {Largest} with shared keys and values is worth a kernel of its own is
            to be decided by measured times of attention.


            """);
        text.Append("| shape | K/V | batch ");
        foreach (RooflineDevice device in RooflineDevice.Hopper)
        {
            text.Append(CultureInfo.InvariantCulture,
                $"| {device.Name}: pass, µs | attention, µs | bound | share | wgmma | free ");
        }

        text.Append("|\n|---|---|--:");
        text.Insert(text.Length, "|--:|--:|---|--:|--:|--:", RooflineDevice.Hopper.Count);
        text.Append("|\n");
        foreach (RooflineCase item in RooflineCase.All)
        {
            text.Append(item.Cells);
            foreach (RooflineDevice device in RooflineDevice.Hopper)
            {
                AttentionGain gain = AttentionGain.Of(item, device);
                text.Append(CultureInfo.InvariantCulture, $"| {gain.Seconds * 1e6:0.0} ");
                text.Append(CultureInfo.InvariantCulture, $"| {gain.Estimate.Seconds * 1e6:0.0} ");
                text.Append(CultureInfo.InvariantCulture, $"| {RooflineReport.Word(gain.Estimate.Bound)} ");
                text.Append(CultureInfo.InvariantCulture,
                    $"| {gain.Share:0.0%} | {gain.Wgmma:0.0%} | {gain.Free:0.0%} ");
            }

            text.Append("|\n");
        }
    }

    /// <summary>The largest share of the time of a forward pass that an H200 saves.</summary>
    private static string MostSavedByMemory(Func<RooflineCase, RooflineDevice, double> seconds)
        => string.Create(CultureInfo.InvariantCulture, $"{RooflineCase.All.Max(item
            => 1 - (seconds(item, RooflineDevice.Hopper[1]) / seconds(item, RooflineDevice.Hopper[0]))):0.0%}");

    /// <summary>The largest share that wgmma saves, of cases with shared or separate keys and values.</summary>
    private static string MostSaved(bool isShared, string? only = null, string? except = null)
        => string.Create(CultureInfo.InvariantCulture, $"{RooflineCase.All
            .Where(item => item.Shape.ShareKeyValues == isShared && item.Shape.Name != except
                && (only is null || item.Shape.Name == only))
            .Max(item => RooflineDevice.Hopper.Max(device => AttentionGain.Of(item, device).Wgmma)):0.0%}");
}
