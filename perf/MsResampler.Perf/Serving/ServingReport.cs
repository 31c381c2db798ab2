using System.Globalization;
using System.Text;

namespace MsResampler.Perf.Serving;

/// <summary>The report of the command <c>serve</c>.</summary>
internal sealed class ServingReport(string description, int batchSize, TimeSpan duration)
{
    private static readonly CultureInfo s_culture = CultureInfo.InvariantCulture;
    private readonly StringBuilder _text = new StringBuilder("# Serving\n\n").Append(description).Append(s_culture, $"""

        The server is a process of its own; client and library are in the measuring process, on the same processors. A
        request has one image, as binary data over REST or raw contents over gRPC. The bits of every answer are compared
        with those of the library. Batches have at most {batchSize} images.

        """);

    /// <summary>Adds a model.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="idle">Times without load.</param>
    /// <param name="rows">The loads.</param>
    public void Add(string name, IdleTimes idle, IReadOnlyList<ServingRow> rows)
    {
        _text.Append(s_culture, $"""

            ## {name}

            One call at a time, in turns, without a batch delay: median [10th to 90th percentile] in ms.

            | library | REST | more | gRPC | more |
            |--:|--:|--:|--:|--:|
            | {Text(idle.Library)} | {Text(idle.Rest)} | **{idle.Rest.Median - idle.Library.Median:0.00}** |
            """);
        _text.Append(s_culture, $" {Text(idle.Grpc)} | **{idle.Grpc.Median - idle.Library.Median:0.00}** |\n");
        _text.Append(s_culture, $"""

            Loads of {duration.TotalSeconds:0.#} s. Images per second, also as a share of those of the library with full
            batches, measured before and after each load; median and 99th percentile of the calls in ms; the client's
            share of the processor time.


            """);
        _text.Append("| batch delay | connections | REST | share | median | 99 % | client | gRPC | share | median " +
            "| 99 % | client |\n|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n");
        foreach (IGrouping<(double, int), ServingRow> pair in rows.GroupBy(row => (row.DelayMs, row.ConnectionCount)))
        {
            _text.Append(s_culture, $"| {pair.Key.Item1:0.#} ms | {pair.Key.Item2} |");
            foreach (ServingRow row in pair.OrderBy(row => row.IsGrpc))
            {
                _text.Append(s_culture, $" {row.Rate.ImagesPerSecond:0.0} | {100 * row.Share:0} % ");
                _text.Append(s_culture, $"| {row.Rate.MedianMs:0.0} | {row.Rate.HighMs:0.0} ");
                _text.Append(s_culture, $"| {100 * row.Rate.ClientShare:0} % |");
            }

            _text.Append('\n');
        }
    }

    public override string ToString() => _text.ToString();

    private static string Text(Spread spread)
        => string.Create(s_culture, $"{spread.Median:0.00} [{spread.P10:0.00} to {spread.P90:0.00}]");
}
