using System.Globalization;
using System.Text;

namespace MsResampler.Perf.Start;

/// <summary>The report of the command <c>start</c>.</summary>
/// <param name="Starts">The measured models.</param>
internal sealed record StartReport(IReadOnlyList<ModelStart> Starts)
{
    private const int MethodLimit = 12;

    public string ToMarkdown(string description, int processCount)
    {
        CultureInfo culture = CultureInfo.InvariantCulture;
        StringBuilder text = new();
        text.Append("# From the start of a process to its first tokens\n\n").Append(description);
        text.Append(culture, $"""

            Medians of {processCount} new processes, with the files in the page cache. JIT: time of the just-in-time
            compiler, summed over all threads, and the number of methods that it compiled. Faults: page faults.
            Allocated: managed memory. Times are in ms.

            """);
        foreach (ModelStart start in Starts)
        {
            text.Append(culture, $"\n## {start.Name}\n\n");
            text.Append("| phase | time | JIT | methods | faults | allocated, MiB |\n|---|--:|--:|--:|--:|--:|\n");
            foreach (StartPhase phase in start.Phases)
                Append(text, phase);
            List<CompiledMethod> methods = [.. start.Methods.Where(method => method.Phase != start.Phases[0].Name)];
            if (methods.Count == 0)
                continue;
            text.Append(culture, $"""

                The compilations that took longest after the first phase, of {methods.Count}. Listening to the compiler
                makes it slower: these times are for comparison with each other.

                | method | tier | phase | time |
                |---|---|---|--:|

                """);
            foreach (CompiledMethod method in methods.OrderByDescending(method => method.Ms).Take(MethodLimit))
            {
                text.Append(culture, $"| `{method.Name.Replace("`", "", StringComparison.Ordinal)}` | {method.Tier} ");
                text.Append(culture, $"| {method.Phase.Split(':')[0]} | {method.Ms:0.0} |\n");
            }
        }

        return text.ToString();
    }

    private static void Append(StringBuilder text, StartPhase phase)
    {
        CultureInfo culture = CultureInfo.InvariantCulture;
        text.Append(culture, $"| {phase.Name} | {phase.Ms:0.0} | {phase.JitMs:0.0} | {phase.MethodCount:0} ");
        text.Append(culture, $"| {phase.PageFaultCount:0} | {phase.AllocatedMiB:0.0} |\n");
    }
}
