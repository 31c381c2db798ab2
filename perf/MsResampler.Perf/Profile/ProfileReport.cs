using System.Globalization;
using System.Text;

namespace MsResampler.Perf.Profile;

/// <summary>The report of the command <c>cpu-profile</c>.</summary>
/// <param name="Limits">The limits of each number of threads.</param>
/// <param name="Rows">The measured cases.</param>
/// <param name="Scalings">The predictions for more threads.</param>
/// <param name="HandOverMs">The measured time between phases, with several threads.</param>
internal sealed record ProfileReport(IReadOnlyList<Limits> Limits, IReadOnlyList<ProfileRow> Rows,
    IReadOnlyList<Scaling> Scalings, double HandOverMs)
{
    private static readonly CultureInfo s_culture = CultureInfo.InvariantCulture;

    public string ToMarkdown(string description)
    {
        StringBuilder text = new();
        text.Append("# The stages of the CPU forward pass\n\n").Append(description).Append("""

            What the threads reach together, at best:

            | threads | multiply-adds, GFLOP/s | from L2, GB/s | from L3, GB/s | from memory, GB/s |
            |--:|--:|--:|--:|--:|

            """);
        foreach (Limits limits in Limits)
            text.Append(s_culture, $"| {limits.Threads} | {limits.Flops / 1e9:0} | {limits.SecondLevel / 1e9:0} ")
                .Append(s_culture, $"| {limits.ThirdLevel / 1e9:0} | {limits.Memory / 1e9:0} |\n");
        text.Append("""

            ## Stages

            Medians over calls. Wall: from the end of the stage before to the end of the last task; a batch is computed
            in stacks of images, whose times are added. GFLOP: 10⁹ operations as executed, without exponentials. Limit:
            the largest of the times that multiply-adds in registers, the second-level cache (L2), and weights and rows
            beyond it (L3, memory) need, as a share of the wall time; the higher, the less can be gained without other
            tiles. Waited: thread time without a task, summed over the threads; hand-over is the part of it, per stage
            and thread, before the first task. The rows of scopes are the times of their tasks, divided by the threads.


            """);
        foreach (ProfileRow row in Rows)
            Append(text, row);
        if (Scalings.Count == 0)
            return text.ToString().TrimEnd('\n') + "\n";
        text.Append("""
            ## More threads, predicted

            The tasks were timed one after another on one thread. A simulation gives them to threads as the engine
            does, with barriers between phases and the measured hand-over at each. It does not know that threads share
            the third-level cache and memory: bounds rather than expectations. Uncut: with the tasks that the
            engine cuts for one thread. Speed-up, efficiency: with the tasks that it cuts for this number of threads.
            Graph: the same tasks with dependencies (by image, scope and rows) in place of barriers, without hand-over.
            Idle stage: where threads wait most, and the share of all thread time. Chain: the time that remains on any
            number of threads, with barriers and as a graph.

            """).Append(s_culture, $"The hand-over is {HandOverMs * 1e3:0.0} µs, the median of all stages above.\n\n");
        foreach (Scaling scaling in Scalings)
            Append(text, scaling);
        return text.ToString().TrimEnd('\n') + "\n";
    }

    private void Append(StringBuilder text, ProfileRow row)
    {
        CallProfile profile = row.Profile;
        int threads = row.Case.Threads;
        Limits limits = Limits.Single(known => known.Threads == threads);
        double call = profile.Call.Median;
        double flops = row.Work.Sum(work => work.Flops);
        text.Append(s_culture, $"### {row.Case.Name}\n\n").Append("""
            | stage | tasks | wall ms | share | GFLOP | FMA peak | limit | waited ms | hand-over µs |
            |---|--:|--:|--:|--:|--:|--:|--:|--:|

            """);
        for (int index = 0; index < profile.Stages.Count; index++)
        {
            StageTimes stage = profile.Stages[index];
            Append(row.Work[index].Label, stage.TaskCount, stage.WallMs, row.Work[index]);
            text.Append(s_culture, $"| {stage.WaitedMs(threads):0.00} ")
                .Append(s_culture, $"| {stage.HandOverMs / stage.RunCount * 1e3:0} |\n");
            if (stage.Stage != "Attention")
                continue;
            foreach (ScopeAttention scope in row.Attention)
            {
                Append("· " + scope.Label, scope.TaskCount, scope.BusyMs / threads, scope.Work);
                text.Append("| | |\n");
            }
        }

        text.Append(s_culture, $"| between | | {profile.OutsideMs:0.00} | {profile.OutsideMs / call:0%} | | | ")
            .Append(s_culture, $"| {threads * profile.OutsideMs:0.00} | |\n");
        text.Append(s_culture, $"| **call** | | **{call:0.00}** ({profile.Call.P10:0.00}–{profile.Call.P90:0.00}) | ")
            .Append(s_culture, $"| {Gflop(flops)} | {flops / call * 1e3 / limits.Flops:0%} | ")
            .Append(s_culture, $"| {profile.Stages.Sum(stage => stage.WaitedMs(threads))
                + (threads * profile.OutsideMs):0.00} | |\n\n");

        void Append(string label, int taskCount, double milliseconds, StageWork work)
        {
            text.Append(s_culture, $"| {label} | {taskCount} | {milliseconds:0.00} | {milliseconds / call:0%} ")
                .Append(s_culture, $"| {Gflop(work.Flops)} ")
                .Append(work.Flops == 0 ? "| – " : string.Create(s_culture,
                    $"| {work.Flops / milliseconds * 1e3 / limits.Flops:0%} "))
                .Append(work.IsBounded ? Limit(work.Bound(limits, row.AreWeightsCached), milliseconds) : "| – ");
        }
    }

    private static string Limit((string Name, double Ms) bound, double milliseconds)
        => string.Create(s_culture, $"| {bound.Name} {bound.Ms / milliseconds:0%} ");

    private static string Gflop(double flops) => flops == 0 ? "–" : (flops / 1e9).ToString("0.00", s_culture);

    private void Append(StringBuilder text, Scaling scaling)
    {
        text.Append(s_culture, $"### {scaling.Case.Title}\n\n");
        ProfileRow[] measured = [.. Rows.Where(row => row.Case.Shape == scaling.Case.Shape
            && row.Case.Batch == scaling.Case.Batch)];
        if (measured is [{ Case.Threads: 1 } one, .., { Case.Threads: > 1 } more])
            text.Append(s_culture, $"Measured on {more.Case.Threads} threads: ")
                .Append(s_culture, $"{one.Profile.Call.Median / more.Profile.Call.Median:0.00} times as fast. ");
        text.Append(scaling.StopsAt is { } stop ? string.Create(s_culture,
            $"Stops scaling at {stop.Threads} threads.\n\n") : "Scales to the end of the table.\n\n");
        text.Append("""
            | threads | uncut | speed-up | efficiency | graph | idle stage | chain ms | graph chain ms |
            |--:|--:|--:|--:|--:|---|--:|--:|

            """);
        foreach (ScalingPoint point in scaling.Points)
            text.Append(s_culture, $"| {point.Threads} | {point.UncutSpeedUp:0.00} | **{point.SpeedUp:0.00}** ")
                .Append(s_culture, $"| {point.Efficiency:0%} | {point.GraphSpeedUp:0.00} ")
                .Append(s_culture, $"| {Label(measured, point)} ")
                .Append(s_culture, $"| {point.ChainMs:0.00} | {point.GraphChainMs:0.00} |\n");
        text.Append('\n');
    }

    private static string Label(ProfileRow[] rows, ScalingPoint point)
    {
        if (point.Threads == 1)
            return "";
        int index = rows[0].Profile.Stages.ToList().FindIndex(stage => stage.Stage == point.IdleStage);
        return string.Create(s_culture, $"{rows[0].Work[index].Label} {point.IdleShare:0%}");
    }
}
