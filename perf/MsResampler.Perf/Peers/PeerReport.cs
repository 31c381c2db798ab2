using System.Globalization;
using System.Text;
using System.Text.Json;
using MsResampler.Perf.Measuring;

namespace MsResampler.Perf.Peers;

/// <summary>All of one run, as Markdown and as JSON.</summary>
/// <param name="Rows">The lines.</param>
/// <param name="ScopeOverheads">The cost of more scopes.</param>
/// <param name="PeakGflops">Measured multiply-add peak in GFLOP/s by threads.</param>
internal sealed record PeerReport(IReadOnlyList<PeerRow> Rows, IReadOnlyList<ScopeOverhead> ScopeOverheads,
    IReadOnlyDictionary<int, double> PeakGflops)
{
    private static readonly JsonSerializerOptions s_json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
    };

    public string ToJson(string variant, string command) => JsonSerializer.Serialize(new
    {
        Rows,
        ScopeOverheads,
        PeakGflops,
        Machine = new
        {
            Processor = Machine.Processor,
            Cores = Environment.ProcessorCount,
            Variant = variant,
            DotNet = Environment.Version.ToString(),
            Machine.Commit,
            Command = command,
        },
        PeerSettings = OnnxPeer.Settings,
    }, s_json);

    public string ToMarkdown(string variant, string command)
    {
        StringBuilder text = new();
        text.Append("# The engine beside ONNX Runtime\n\n");
        text.Append(Machine.Describe(variant, command));
        foreach ((int threads, double gflops) in PeakGflops)
            text.Append(CultureInfo.InvariantCulture,
                $"- multiply-add peak, {threads} thread{(threads == 1 ? "" : "s")}: {gflops:0} GFLOP/s\n");
        text.Append(CultureInfo.InvariantCulture, $"- {OnnxPeer.Version}: {OnnxPeer.Settings}\n\n");
        text.Append("""
            Times in ms: median (10th–90th percentile) of calls in alternating blocks in one process. Ratio: ONNX
            Runtime's median over ours. GFLOP: what the engine does, and what the model as written asks for, which is
            what the graph does. Peak: our operations per second over the multiply-add peak. Load and first call: each
            in a process of its own, from files in the page cache.

            | shape | K/V | batch | threads | ours | ONNX Runtime | ratio | GFLOP | as written | peak | rel. L2 | load, ours | load, ORT | first call, ours | first call, ORT |
            |---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|

            """);
        foreach (PeerRow row in Rows)
            Append(text, row);
        if (ScopeOverheads.Count > 0)
        {
            text.Append("""

                Three scopes against the global one alone, with shared keys and values, in ms:

                | shape | batch | ours, three | ours, one | ratio | ORT, three | ORT, one | ratio |
                |---|--:|--:|--:|--:|--:|--:|--:|

                """);
            foreach (ScopeOverhead overhead in ScopeOverheads)
            {
                CultureInfo culture = CultureInfo.InvariantCulture;
                text.Append(culture, $"| {overhead.Shape} | {overhead.Batch} ");
                text.Append(culture, $"| {overhead.OursThreeMs:0.00} | {overhead.OursOneMs:0.00} ");
                text.Append(culture, $"| **{overhead.OursRatio:0.00}** | {overhead.PeerThreeMs:0.00} ");
                text.Append(culture, $"| {overhead.PeerOneMs:0.00} | {overhead.PeerRatio:0.00} |\n");
            }

        }

        return text.ToString();
    }

    private static void Append(StringBuilder text, PeerRow row)
    {
        string ours = Spread(row.OursMs, row.OursP10Ms, row.OursP90Ms);
        string peer = Spread(row.PeerMs, row.PeerP10Ms, row.PeerP90Ms);
        CultureInfo culture = CultureInfo.InvariantCulture;
        text.Append(culture, $"| {row.Shape} | {(row.ShareKv ? "shared" : "separate")} | {row.Batch} | {row.Threads} ");
        text.Append(culture, $"| {ours} | {peer} | **{row.Ratio:0.00}** | {row.Gflop:0.0} | {row.NaiveGflop:0.0} ");
        text.Append(culture, $"| {row.PeakShare:0%} | {row.RelativeL2:0.0e-0} | {row.OursLoadMs:0} ");
        text.Append(culture, $"| {row.PeerLoadMs:0} | {row.OursFirstMs:0} | {row.PeerFirstMs:0} |\n");
    }

    private static string Spread(double median, double low, double high)
        => string.Create(CultureInfo.InvariantCulture, $"{median:0.00} ({low:0.00}–{high:0.00})");
}
