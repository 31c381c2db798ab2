using System.Globalization;
using System.Text;
using System.Text.Json;

namespace MsResampler.Perf.Peers;

/// <summary>The report of the command <c>peers</c>, as Markdown and as JSON.</summary>
/// <param name="Rows">The rows of the table.</param>
/// <param name="IntegerRows">The rows of the table of products of integers.</param>
/// <param name="ScopeOverheads">The costs of additional scopes.</param>
/// <param name="PeakGflops">The measured peak rate of multiply-adds in GFLOP/s, by thread count.</param>
internal sealed record PeerReport(IReadOnlyList<PeerRow> Rows, IReadOnlyList<IntegerRow> IntegerRows,
    IReadOnlyList<ScopeOverhead> ScopeOverheads, IReadOnlyDictionary<int, double> PeakGflops)
{
    private static readonly JsonSerializerOptions s_json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
    };

    public string ToJson(string variant, string command) => JsonSerializer.Serialize(new
    {
        Rows,
        IntegerRows,
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
        text.Append("# The engine compared with ONNX Runtime\n\n");
        text.Append(Machine.Describe(variant, command));
        foreach ((int threads, double gflops) in PeakGflops)
            text.Append(CultureInfo.InvariantCulture,
                $"- multiply-add peak, {threads} thread{(threads == 1 ? "" : "s")}: {gflops:0} GFLOP/s\n");
        text.Append(CultureInfo.InvariantCulture, $"- {OnnxPeer.Version}: {OnnxPeer.Settings}\n\n");
        text.Append("""
            Times are in ms: median (10th–90th percentile) of calls, in alternating blocks in one process. Ratio: the
            time of ONNX Runtime (ORT) divided by the engine's. GFLOP: the operations of the engine, and the operations
            of the graph, which computes the model as written. Peak: the engine's operations per second as a share of
            the multiply-add peak. Load and first call: in a new process, with the files in the page cache.

            | shape | K/V | batch | threads | engine | ORT | ratio | GFLOP, engine | GFLOP, graph | peak | rel. L2 |
            """).Append("""
             load, engine | load, ORT | first call, engine | first call, ORT |
            |---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|

            """);
        foreach (PeerRow row in Rows)
            Append(text, row);
        if (IntegerRows.Count > 0)
            AppendIntegers(text);
        if (ScopeOverheads.Count > 0)
        {
            text.Append("""

                Three scopes compared with only the global scope, with shared keys and values. Times are in ms:

                | shape | batch | engine, three | engine, one | ratio | ORT, three | ORT, one | ratio |
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

    private void AppendIntegers(StringBuilder text)
    {
        text.Append("""


            Products of integers, all implementations in turns. Engine, int8: 8 bits in the default layers, 16 bits in
            the others; all layers: 8 bits in every layer. ORT: 8 bits in every layer, with activations quantised at run
            time (dynamic), and with constant scales for the range of the features (static). Weights have
            one scale per row, its activations one per tensor.
            Gain: the engine's time in float32 divided by that in int8. Ratio: the time of the faster ORT
            divided by the engine's. Error: relative L2 difference from the engine's tokens in float32.

            | shape | K/V | batch | engine, float32 | engine, int8 | gain | all layers | gain | ORT, dynamic |
            """).Append("""
             ORT, static | ratio | ratio, all layers | error, int8 | all layers | ORT, dynamic | ORT, static |
            |---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|

            """);
        CultureInfo culture = CultureInfo.InvariantCulture;
        foreach (IntegerRow row in IntegerRows)
        {
            text.Append(culture, $"| {row.Shape} | {(row.ShareKv ? "shared" : "separate")} | {row.Batch} ");
            text.Append(culture, $"| {Text(row.Float32Times)} | {Text(row.Ours.Times)} ");
            text.Append(culture, $"| {row.Float32Ms / row.Ours.Ms:0.00} | {Text(row.OursAll.Times)} ");
            text.Append(culture, $"| {row.Float32Ms / row.OursAll.Ms:0.00} | {Text(row.Dynamic.Times)} ");
            text.Append(culture, $"| {Text(row.Static.Times)} | **{row.Peer.Ms / row.Ours.Ms:0.00}** ");
            text.Append(culture, $"| **{row.Peer.Ms / row.OursAll.Ms:0.00}** | {row.Ours.Error:0.0e-0} ");
            text.Append(culture, $"| {row.OursAll.Error:0.0e-0} | {row.Dynamic.Error:0.0e-0} ");
            text.Append(culture, $"| {row.Static.Error:0.0e-0} |\n");
        }
    }

    private static void Append(StringBuilder text, PeerRow row)
    {
        CultureInfo culture = CultureInfo.InvariantCulture;
        text.Append(culture, $"| {row.Shape} | {(row.ShareKv ? "shared" : "separate")} | {row.Batch} | {row.Threads} ");
        text.Append(culture, $"| {Text(row.OursTimes)} | {Text(row.PeerTimes)} | **{row.Ratio:0.00}** ");
        text.Append(culture, $"| {row.Gflop:0.0} | {row.NaiveGflop:0.0} ");
        text.Append(culture, $"| {row.PeakShare:0%} | {row.RelativeL2:0.0e-0} | {row.OursLoadMs:0} ");
        text.Append(culture, $"| {row.PeerLoadMs:0} | {row.OursFirstMs:0} | {row.PeerFirstMs:0} |\n");
    }

    private static string Text(Spread times) => string.Create(CultureInfo.InvariantCulture,
        $"{times.Median:0.00} ({times.P10:0.00}–{times.P90:0.00})");
}
