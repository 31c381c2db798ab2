using System.Globalization;
using System.Text;

namespace MsResampler.Perf.Soak;

/// <summary>The result of a soak.</summary>
/// <param name="Duration">How long it took.</param>
/// <param name="Counts">The requests by kind.</param>
/// <param name="Memory">The memory of the server.</param>
/// <param name="Before">The server before the requests.</param>
/// <param name="After">The server after all clients have gone.</param>
/// <param name="ExitCode">The exit code after SIGTERM.</param>
/// <param name="Errors">The errors in its log.</param>
internal sealed record SoakReport(TimeSpan Duration, IReadOnlyDictionary<SoakKind, SoakCounts> Counts,
    MemoryTrend Memory, ServerCounters Before, ServerCounters After, int ExitCode,
    IReadOnlyCollection<string> Errors)
{
    /// <summary>The connection that asks for the counters.</summary>
    private const int SpareSockets = 1;

    private const int MaxErrors = 5;

    /// <summary>Everything that must not be.</summary>
    public IReadOnlyList<string> Problems
    {
        get
        {
            List<string> problems = [.. Counts.Values.SelectMany(counts => counts.Problems)];
            foreach ((SoakKind kind, SoakCounts counts) in Counts)
            {
                if (counts.Sent == 0)
                    problems.Add($"{kind}: expected requests, found none");
                if (counts.Sent != counts.Right + counts.Refused + counts.Gone)
                    problems.Add($"{kind}: {counts.Sent} sent, but {counts.Right} answered, {counts.Refused} refused " +
                        $"and {counts.Gone} gone");
            }

            // The server may have answered a client that had gone.
            (long right, long gone) = (Counts.Values.Sum(counts => counts.Right),
                Counts.Values.Sum(counts => counts.Gone));
            long successes = After.Successes - Before.Successes;
            if (successes < right || successes > right + gone)
                problems.Add($"the server counts {successes} answers, the clients {right}; {gone} clients had gone");
            if (After.Internal != 0)
                problems.Add($"the server counts {After.Internal} failures of its own");
            problems.AddRange(Errors.Take(MaxErrors));
            if (After.Waiting != 0)
                problems.Add($"{After.Waiting} requests still wait");
            if (After.SocketCount > Before.SocketCount + SpareSockets)
                problems.Add($"{After.SocketCount} open sockets, {Before.SocketCount} before");
            if (!Memory.IsFlat)
                problems.Add($"memory grows: {MiB(Memory.FirstBytes)}, then {MiB(Memory.LastBytes)} MiB");
            if (ExitCode != 0)
                problems.Add($"the server ended with {ExitCode}");
            return problems;
        }
    }

    public override string ToString()
    {
        CultureInfo culture = CultureInfo.InvariantCulture;
        StringBuilder text = new("| client | sent | right | refused | gone |\n|---|--:|--:|--:|--:|\n");
        foreach ((SoakKind kind, SoakCounts counts) in Counts)
        {
            text.Append(culture, $"| {kind} | {counts.Sent:N0} | {counts.Right:N0} | {counts.Refused:N0} ");
            text.Append(culture, $"| {counts.Gone:N0} |\n");
        }

        text.Append(culture, $"""

            | {Duration.TotalMinutes:0.0} minutes; memory after {100 * MemoryTrend.WarmUpShare:0} % of them | |
            |---|--:|
            | memory, median of the first half | {MiB(Memory.FirstBytes)} MiB |
            | memory, median of the second half | {MiB(Memory.LastBytes)} MiB |
            | maximum | {MiB(Memory.MaxBytes)} MiB |
            | slope | {MiB(Memory.BytesPerHour)} MiB an hour |
            | sockets, before and after | {Before.SocketCount}, {After.SocketCount} |
            | threads, before and after | {Before.ThreadCount}, {After.ThreadCount} |
            | answers that it counts | {After.Successes - Before.Successes:N0} |
            | failures that it counts | {After.Failures - Before.Failures:N0} |

            """);
        foreach (string problem in Problems)
            text.Append(culture, $"\nwrong: {problem}");
        return text.Append('\n').ToString();
    }

    private static string MiB(double bytes) => (bytes / (1 << 20)).ToString("0.0", CultureInfo.InvariantCulture);
}
