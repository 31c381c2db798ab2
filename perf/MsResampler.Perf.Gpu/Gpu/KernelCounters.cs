using System.Globalization;
using System.Text;

namespace MsResampler.Perf.Gpu;

/// <summary>What Nsight Compute measured of a launch.</summary>
/// <param name="Kernel">The entry function.</param>
/// <param name="Size">Blocks and threads.</param>
/// <param name="Values">The metrics that say what limits the kernel, by their names.</param>
internal sealed record KernelCounters(string Kernel, string Size, IReadOnlyDictionary<string, KernelCounter> Values)
{
    /// <summary>The metrics to show: a label, and what the name must contain. The names differ between architectures
    /// and versions; of several the largest is shown.</summary>
    private static readonly (string Label, string[] Parts)[] s_shown =
    [
        ("time", ["gpu__time_duration.sum"]),
        ("tensor cores", ["pipe_tensor", "pct_of_peak"]),
        ("shared memory", ["l1tex__data_pipe_lsu_wavefronts_mem_shared", "pct_of_peak"]),
        ("L1", ["l1tex__throughput", "pct_of_peak"]),
        ("L2", ["lts__throughput", "pct_of_peak"]),
        ("DRAM", ["dram__throughput", "pct_of_peak"]),
        ("issue slots", ["sm__inst_issued.avg.pct_of_peak"]),
        ("achieved occupancy", ["sm__warps_active", "pct_of_peak"]),
        ("possible occupancy", ["sm__maximum_warps_per_active_cycle_pct"]),
        ("registers", ["launch__registers_per_thread"]),
    ];

    private const string StallStart = "smsp__average_warps_issue_stalled_";
    private const int ShownStalls = 3;

    /// <summary>Reads the output of <c>ncu --csv --page raw</c>: names, units, and a line for each launch. Lines of the
    /// profiler itself start with "==".</summary>
    public static IEnumerable<KernelCounters> Read(IEnumerable<string> lines)
    {
        string[]? names = null;
        string[]? units = null;
        foreach (string line in lines)
        {
            if (!line.StartsWith('"'))
                continue;
            string[] cells = Split(line);
            if (names is null)
                names = cells;
            else if (units is null)
                units = cells;
            else
                yield return Of(names, units, cells);
        }
    }

    /// <summary>The figures in one line, with the most frequent reasons of stalls.</summary>
    public string ToLine()
    {
        StringBuilder text = new($"{Kernel} {Size}");
        foreach ((string label, string[] parts) in s_shown)
        {
            KernelCounter[] found =
                [.. Values.Where(value => parts.All(value.Key.Contains)).Select(value => value.Value)];
            if (found.Length > 0)
                text.Append(CultureInfo.InvariantCulture, $", {label} {found.MaxBy(counter => counter.Value)}");
        }

        IEnumerable<KeyValuePair<string, KernelCounter>> stalls = Values
            .Where(value => value.Key.StartsWith(StallStart, StringComparison.Ordinal)
                && !value.Key.Contains("not_issued", StringComparison.Ordinal))
            .OrderByDescending(value => value.Value.Value).Take(ShownStalls);
        foreach ((string name, KernelCounter counter) in stalls)
        {
            text.Append(CultureInfo.InvariantCulture,
                $", stalled on {name[StallStart.Length..].Split("_per_")[0].Replace('_', ' ')} {counter.Value:0.0}");
        }

        return text.ToString();
    }

    private static KernelCounters Of(string[] names, string[] units, string[] cells)
    {
        Dictionary<string, KernelCounter> values = [];
        for (int column = 0; column < Math.Min(names.Length, cells.Length); column++)
        {
            string name = names[column];
            bool isWanted = name.StartsWith(StallStart, StringComparison.Ordinal)
                || s_shown.Any(shown => shown.Parts.All(name.Contains));
            if (isWanted && double.TryParse(cells[column], NumberStyles.Float | NumberStyles.AllowThousands,
                CultureInfo.InvariantCulture, out double value))
            {
                values[name] = new KernelCounter(value, units[column]);
            }
        }

        return new KernelCounters(Cell("Kernel Name"), $"{Cell("Grid Size")}×{Cell("Block Size")}", values);

        string Cell(string name) => Array.IndexOf(names, name) is int column and >= 0 ? cells[column] : "";
    }

    /// <summary>The cells of a line; all are in quotation marks, which are doubled within.</summary>
    private static string[] Split(string line)
        => [.. line.Trim()[1..^1].Split("\",\"").Select(cell => cell.Replace("\"\"", "\"", StringComparison.Ordinal))];
}
