using MsResampler.Claim.Arms;
using MsResampler.Claim.Runs;
using MsResampler.Claim.Statistics;
using MsResampler.Scenes;
using static System.FormattableString;

namespace MsResampler.Claim.Report;

/// <summary>The text of a report. What it says in words follows from the numbers.</summary>
internal sealed class ClaimText(Experiment experiment, IReadOnlyList<ArmResults> results, Timing? timing)
{
    private readonly MarkdownText _text = new();
    private readonly ArmResults[] _finished = [.. results.Where(result => result.Runs.Count > 0)];
    private readonly ArmResults? _baseline = Find(results, ArmList.Baseline);
    private readonly ArmResults? _scopes = Find(results, ArmList.Scopes);

    private static string[] TaskNames { get; } =
        [.. Enum.GetNames<QuestionTask>().Select(name => name.ToLowerInvariant())];

    public string ToMarkdown()
    {
        _text.Heading(1, "What several scopes bring: an experiment");
        int finished = results.Sum(result => result.Runs.Count);
        int planned = experiment.Plan.Seeds.Count * results.Count;
        _text.Paragraph($"{finished} of {planned} final runs are finished" +
            (finished < planned ? "; **the figures are not final**" : "") +
            ". The [protocol](protocol.md) was written before them; [runs](runs) has a file for each. To run it " +
            "again:");
        _text.Line("```sh");
        _text.Line("tools/get-fashion-mnist.sh");
        _text.Line("dotnet run -c Release --project perf/MsResampler.Claim -- --out FOLDER");
        _text.Line("```");
        _text.Line();
        AddVerdict();
        AddAccuracies();
        AddComparisons();
        AddCosts();
        AddGate();
        AddSigmas();
        AddRobustness();
        AddPublished();
        AddLimits();
        return _text.ToString();
    }

    private static ArmResults? Find(IReadOnlyList<ArmResults> results, string name)
        => results.FirstOrDefault(result => result.Arm.Name == name && result.Runs.Count > 0);

    private static double? Primary(RunResult run) => run.Test?.Average();

    private static string Points(double value) => Invariant($"{100 * value:+0.0;−0.0;0.0}");

    private static string Percent(double value) => double.IsNaN(value) ? "–" : Invariant($"{100 * value:0.0}");

    private static string Describe(Interval? interval)
    {
        if (interval is not { } known)
            return "–";
        string mark = known.ExcludesZero ? "**" : "";
        return $"{mark}{Points(known.Mean)}{mark} [{Points(known.Low)}, {Points(known.High)}]";
    }

    // A row of a table with a value for each kind of question.
    private static string ByTask(Func<int, string> value)
        => string.Join(" | ", Enumerable.Range(0, Question.TaskCount).Select(value));

    private void AddVerdict()
    {
        if (_scopes is null || _baseline is null)
            return;
        _text.Heading(2, "In words");
        foreach ((string name, string what) in ((string, string)[])
        [
            (ArmList.Baseline, "one global scope of the same width"),
            ("global-parameters", "one global scope with as many parameters"),
            ("global-work", "one global scope with as many multiply-adds"),
            ("pool", "average pooling with as many parameters"),
            ("window", "one local window of the same width"),
            ("window-parameters", "one local window with as many parameters"),
            ("windows", "three windows without a global scope"),
            ("mean", "the same scopes without a gate"),
            ("sigma", "three scopes that learn their sigmas from one start"),
            ("shuffled", "the same scopes over shuffled patches"),
        ])
        {
            if (Find(results, name) is not { } other
                || _scopes.Differences(other, Primary) is not { Length: > 0 } values)
                continue;
            Interval interval = Bootstrap.OfMean(values);
            string relation = !interval.ExcludesZero || !Bootstrap.StudentOfMean(values).ExcludesZero
                ? "cannot be told apart from" : interval.Mean > 0 ? "are **better** than" : "are **worse** than";
            _text.Item($"Three scopes with a gate {relation} {what}: {Points(interval.Mean)} " +
                $"[{Points(interval.Low)}, {Points(interval.High)}].");
        }

        _text.Line();
        _text.Paragraph("Differences are in percentage points of the mean accuracy over the five kinds of questions, " +
            "paired by seed. Brackets are bootstrap intervals of 95 % over seeds; nothing corrects them for the " +
            "number of comparisons. Better and worse mean that this interval and Student's both exclude 0.");
    }

    private void AddAccuracies()
    {
        _text.Heading(2, "Accuracy on test garments");
        _text.Paragraph("Percent, mean over seeds. Guessing gives " + string.Join(", ", TaskNames.Select((name, task)
            => Invariant($"{name} {100.0 / Question.AnswerCount((QuestionTask)task):0}"))) + ".");
        _text.Line($"| arm | seeds | {ByTask(task => TaskNames[task])} | mean | minus baseline [95 %] |");
        _text.Line($"|---|--:|--:|--:|--:|--:|--:|--:|---|");
        foreach (ArmResults result in _finished)
        {
            string tasks = ByTask(task => Percent(result.Mean(run => run.Test?[task])));
            string difference = result == _baseline || _baseline is null ? ""
                : Describe(result.Compare(_baseline, Primary));
            _text.Line($"| {result.Arm.Title} | {result.Runs.Count} | {tasks} | {Percent(result.Mean(Primary))} | " +
                $"{difference} |");
        }

        _text.Line();
        _text.Paragraph($"![Differences to the baseline]({ClaimPlots.Accuracy})");
        _text.Paragraph($"![Learning curves]({ClaimPlots.Curves})");
    }

    private void AddComparisons()
    {
        if (_scopes is null)
            return;
        _text.Heading(2, "Three scopes with a gate minus each other arm");
        _text.Paragraph("Percentage points, paired by seed. Bold: the bootstrap interval excludes 0. With few " +
            "seeds that interval is too narrow; Student's, which is exact for normal differences, stands beside it.");
        _text.Line($"| minus | {ByTask(task => TaskNames[task])} | mean [bootstrap 95 %] | Student 95 % |");
        _text.Line("|---|--:|--:|--:|--:|--:|---|---|");
        foreach (ArmResults other in _finished.Where(result => result != _scopes))
        {
            double[] differences = _scopes.Differences(other, Primary);
            if (differences.Length == 0)
                continue;
            string tasks = ByTask(task =>
            {
                Interval interval = _scopes.Compare(other, run => run.Test?[task])!.Value;
                return interval.ExcludesZero ? $"**{Points(interval.Mean)}**" : Points(interval.Mean);
            });
            Interval student = Bootstrap.StudentOfMean(differences);
            _text.Line($"| {other.Arm.Title} | {tasks} | {Describe(Bootstrap.OfMean(differences))} | " +
                (differences.Length > 1 ? $"[{Points(student.Low)}, {Points(student.High)}]" : "–") + " |");
        }

        _text.Line();
    }

    private void AddCosts()
    {
        _text.Heading(2, "What it costs");
        _text.Paragraph(timing is null ? "Times were not measured (`--times`)."
            : $"Milliseconds per image of inference on one thread of {timing.Processor}, medians; the engine for " +
                "resamplers, the code of the experiment for pooling. Multiply-adds are those of the model as " +
                "written; the engine saves some.");
        _text.Line("| arm | width | parameters | multiply-adds | ms, batch 1 | ms, batch 8 | mean accuracy |");
        _text.Line("|---|--:|--:|--:|--:|--:|--:|");
        foreach (ArmResults result in results)
        {
            ArmTime? time = timing?.Times.FirstOrDefault(time => time.Arm == result.Arm.Name);
            _text.Line(Invariant($"| {result.Arm.Title} | {result.Arm.Width} | {result.Arm.Cost.ParameterCount:N0} ") +
                "| " +
                Invariant($"{result.Arm.Cost.Work / 1e6:0.00} M | {time?.One:0.000} | {time?.Eight:0.000} | ") +
                $"{Percent(result.Mean(Primary))} |");
        }

        _text.Line();
    }

    private void AddGate()
    {
        (ArmResults Arm, double[][][] Gates)[] gated = [.. results.Select(result
            => (result, result.Runs.Values.Select(run => run.Gate).OfType<double[][]>().ToArray()))
            .Where(entry => entry.Item2.Length > 0)];
        if (gated.Length == 0)
            return;
        _text.Heading(2, "What the gate chose");
        _text.Paragraph("The weight of each scope, in percent: the mean over tokens, weighted by how much the reader " +
            "attends to each token for a question of that kind; mean over seeds. Equal weights would be 33.3.");
        _text.Line($"| arm | scope | {ByTask(task => TaskNames[task])} |");
        _text.Line("|---|---|--:|--:|--:|--:|--:|");
        foreach ((ArmResults arm, double[][][] gates) in gated)
        {
            for (int scope = 0; scope < arm.Arm.ScopeNames.Count; scope++)
            {
                int index = scope;
                _text.Line($"| {arm.Arm.Title} | {arm.Arm.ScopeNames[scope]} | " +
                    ByTask(task => Percent(gates.Average(gate => gate[task][index]))) + " |");
            }
        }

        _text.Line();
        foreach ((_, double[][][] gates) in gated.Where(entry => entry.Arm == _scopes))
        {
            double spread = Enumerable.Range(0, gates[0][0].Length).Max(scope => Spread([.. Enumerable
                .Range(0, Question.TaskCount).Select(task => gates.Average(gate => gate[task][scope]))]));
            _text.Paragraph($"Between kinds of questions, the weight of a scope in `{ArmList.Scopes}` differs by " +
                $"at most {Percent(spread)} points. The gate sees the image and not the question, so a question " +
                "can only choose among tokens.");
            _text.Paragraph($"![Gate weights]({ClaimPlots.Gate})");
        }
    }

    private void AddSigmas()
    {
        double[][] sigmas = [.. results.SelectMany(result => result.Runs.Values).Select(run => run.Sigmas)
            .OfType<double[]>()];
        if (sigmas.Length == 0)
            return;
        // A head's sigma is the geometric mean of its two axes.
        double[] heads = [.. sigmas.SelectMany(values => Enumerable.Range(0, values.Length / 2)
            .Select(pair => Math.Sqrt(values[2 * pair] * values[(2 * pair) + 1]))).Order()];
        int local = heads.Count(sigma => sigma < ArmList.LocalBound);
        int global = heads.Count(sigma => sigma > ArmList.GlobalBound);
        _text.Heading(2, "Where learned sigmas ended");
        _text.Paragraph(Invariant($"All heads of all scopes started at {ArmList.StartSigma} of the canvas. Of ") +
            Invariant($"{heads.Length} heads over {sigmas.Length} seeds, {local} ended below {ArmList.LocalBound} ") +
            "(local), " +
            Invariant($"{heads.Length - local - global} between (region), and {global} above {ArmList.GlobalBound} ") +
            Invariant($"(global). The smallest sigma is {heads[0]:0.000}, the median ") +
            Invariant($"{heads[heads.Length / 2]:0.000}, the largest {heads[^1]:0.000}."));
        _text.Paragraph($"![Learned sigmas]({ClaimPlots.Sigmas})");
    }

    private void AddRobustness()
    {
        _text.Heading(2, "Twice the canvas, and half the precision");
        _text.Paragraph("Percent of the primary measure. On the doubled canvas, garments have their full resolution: " +
            "there are four times as many patches, each of which shows a quarter of the area. Nothing was trained " +
            "for it. Windows and sigmas are fractions of the canvas, or keep their size in patches.");
        _text.Line("| arm | float32 | float16 | bfloat16 | doubled, fractions | doubled, patches |");
        _text.Line("|---|--:|--:|--:|--:|--:|");
        foreach (ArmResults result in _finished)
        {
            Func<RunResult, double[]?>[] columns = [run => run.Test, run => run.TestFloat16, run => run.TestBFloat16,
                run => run.TestDoubled, run => run.TestDoubledInPatches];
            _text.Line($"| {result.Arm.Title} | " + string.Join(" | ", columns.Select(column
                => Percent(result.Mean(run => column(run)?.Average())))) + " |");
        }

        _text.Line();
    }

    private void AddPublished()
    {
        _text.Heading(2, "Published tables, for comparison");
        _text.Paragraph("They compare projectors of large models, with trained encoders, on benchmarks of " +
            "questions about photos: other scales, other tasks and other numbers.");
        _text.Line("| source | tokens | average pooling | global resampler | with locality |");
        _text.Line("|---|--:|--:|--:|--:|");
        _text.Line("| TokenPacker, table 3 | 144 | 60.9 | 60.4 | TokenPacker 62.8 |");
        _text.Line("| Honeybee, spatial average | 144 | – | 43.9 | C-Abstractor 53.5 |");
        _text.Line();
    }

    private void AddLimits()
    {
        _text.Heading(2, "What this cannot show");
        _text.Item("Scenes are synthetic: garments on a regular grid, whose cells the questions name. Photos have no " +
            "cells.");
        _text.Item("There is no encoder. Patches are pixels; an encoder's features have already mixed near and far.");
        _text.Item(Invariant($"Models have up to {results.Max(result => result.Arm.Cost.ParameterCount):N0} ") +
            "parameters " +
            Invariant($"and {experiment.Plan.Settings.Steps} steps. An arm that learns slowly may catch up with ") +
            "more; the curves show which are still rising.");
        _text.Item("The reader is small, and no language model is involved.");
        _text.Item($"Intervals are over {experiment.Plan.Seeds.Count} seeds of one design. They say nothing about " +
            "other sizes, windows or data.");
        _text.Item("One learning rate per arm was chosen with one seed; nothing else was tuned for any arm.");
    }

    private static double Spread(double[] values) => values.Max() - values.Min();
}
