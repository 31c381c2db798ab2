using System.Globalization;
using System.Text;
using System.Text.Json;
using MsResampler.Perf.Gpu;
using MsResampler.Perf.Probe;

namespace MsResampler.Perf.Results;

/// <summary>The results of a run of the GPU bundle.</summary>
internal sealed class BundleReport
{
    private readonly Result[] _results;
    private readonly Result _machine;
    private readonly TorchRow[] _torch;

    private BundleReport(Result[] results, Result machine)
    {
        _results = results;
        _machine = machine;
        Device = machine.Data?.GetProperty("name").GetString() ?? "unknown";
        _torch = [.. results.Select(result => TorchRow.Of(result)).OfType<TorchRow>()];
        Gpu = ReadGpu();
    }

    /// <summary>The product name of the GPU.</summary>
    public string Device { get; }

    /// <summary>The report of the command <c>gpu</c>; null if nothing was timed.</summary>
    public GpuReport? Gpu { get; }

    /// <summary>Reads a folder of results, or returns null if they are not of a GPU. Of several results of a row the
    /// last one counts.</summary>
    public static BundleReport? Read(string folder)
    {
        Result[] results = [.. Result.ReadAll(folder).GroupBy(result => (result.Step, result.Row))
            .Select(group => group.Last())];
        Result? machine = results.FirstOrDefault(result =>
            result is { Step: "machine", Row: MachineCommand.Row, OutcomeName: "passed" });
        return machine is null ? null : new BundleReport(results, machine);
    }

    /// <summary>The steps, and all rows but those of <see cref="Gpu"/>.</summary>
    public string ToMarkdown()
    {
        StringBuilder text = new($"""
            # GPU bundle: {Device}

            - device: {_machine.Text}
            - run: {_results.FirstOrDefault(result => result.Step == "run")?.Text}

            """);
        AppendTable(text, "Steps", _results.Where(result => result.Row.Length == 0 && result.Step != "run"));
        AppendPeers(text);
        foreach (string step in (ReadOnlySpan<string>)["ncu", "probe", "promises", "sanitizer", "parity", "torch"])
            AppendTable(text, step, _results.Where(result => result.Step == step && result.Row.Length > 0));
        return text.ToString();
    }

    /// <summary>The lines for the README's status.</summary>
    /// <param name="folder">The folder with the tables, as a link.</param>
    public string Status(string folder)
    {
        StringBuilder text = new($"- **{Device}** ({_machine.Text}): {Count("probe")} kernels load, " +
            $"{Count("promises")} tested promises of the driver and {Count("parity")} compared models hold. " +
            $"[Tables]({folder}/bundle.md)");
        foreach (GpuRow row in Gpu?.Rows.Where(row =>
            row is { Figures: not null, Variant: null, Precision: "float16" }) ?? [])
        {
            text.Append(CultureInfo.InvariantCulture, $"\n- {row.Model}, float16, batch {row.Batch}: " +
                $"{row.Figures!.Warm.Median:0.000} ms, {row.Batch / row.Figures.Warm.Median * 1e3:0} images/s");
            if (PeerOf(row) is { } peer)
            {
                text.Append(CultureInfo.InvariantCulture,
                    $"; PyTorch ({peer.Variant}) takes {peer.Warm / row.Figures.Warm.Median:0.00} times as long");
            }
        }

        return text.ToString();
    }

    private string Count(string step)
    {
        string[] outcomes = [.. _results.Where(result => result.Step == step && result.Row.Length > 0
            && result.OutcomeName != "skipped").Select(result => result.OutcomeName)];
        return $"{outcomes.Count(outcome => outcome == "passed")} of {outcomes.Length}";
    }

    private static void AppendTable(StringBuilder text, string title, IEnumerable<Result> results)
    {
        Result[] rows = [.. results];
        if (rows is [])
            return;
        text.Append(CultureInfo.InvariantCulture, $"\n## {title}\n\n| | outcome | result |\n|---|---|---|\n");
        foreach (Result row in rows)
        {
            string name = row.Row.Length > 0 ? row.Row : row.Step;
            text.Append(CultureInfo.InvariantCulture,
                $"| {Cell(name)} | {row.OutcomeName} | {Cell(row.Text)} |\n");
        }
    }

    private static string Cell(string text) => text.Replace("|", "\\|", StringComparison.Ordinal);

    private void AppendPeers(StringBuilder text)
    {
        string[] lines = [.. from row in Gpu?.Rows ?? []
                             where row.Figures is not null && row.Variant is null
                             let peer = PeerOf(row)
                             where peer is not null
                             let warm = row.Figures!.Warm.Median
                             select string.Create(CultureInfo.InvariantCulture, $"| {row.Model} | {row.Batch} " +
                                 $"| {row.Precision} | {warm:0.000} | {peer.Warm:0.000} | {peer.Variant} " +
                                 $"| **{peer.Warm / warm:0.00}** " +
                                 $"| {SpeedBar.OfPass(row, peer.Warm)?.ToCell()} |\n")];
        if (lines is [])
            return;
        text.Append("""

            ## The engine and the fastest variant in PyTorch

            Device time in ms with a warm second-level cache. Ratio: PyTorch divided by the engine.

            | model | batch | precision | engine | PyTorch | variant | ratio | |
            |---|--:|---|--:|--:|---|--:|---|

            """);
        text.AppendJoin("", lines);
    }

    private TorchRow? PeerOf(GpuRow row) => _torch.Where(peer =>
        (peer.Model, peer.Batch, peer.Type) == (row.Model, row.Batch, row.Precision)).MinBy(peer => peer.Warm);

    /// <summary>Whether a result is a row of the command <c>gpu</c>.</summary>
    private static bool IsOfGpu(Result result)
        => result.Step is "times" or "shapes" && result.Data is { } data && data.TryGetProperty("precision", out _);

    private GpuReport? ReadGpu()
    {
        Result? limits = _results.FirstOrDefault(result => result.Row == GpuReport.LimitsRow);
        if (limits?.Data?.Deserialize<GpuReport>(ResultLog.Json) is not { } report)
            return null;
        GpuReport? first = _results.FirstOrDefault(result => result.Row == GpuReport.FirstRow)?
            .Data?.Deserialize<GpuReport>(ResultLog.Json);
        return report with
        {
            Rows = [.. _results.Where(IsOfGpu)
                .Select(result => result.Data!.Value.Deserialize<GpuRow>(ResultLog.Json)!)],
            Commit = _results.FirstOrDefault(result => result.Step == "run")?.Text ?? report.Commit,
            FirstPrecision = first?.FirstPrecision ?? default,
            FirstCold = first?.FirstCold,
            FirstWarm = first?.FirstWarm,
        };
    }
}
