using MsResampler.Claim.Arms;
using MsResampler.Claim.Statistics;
using MsResampler.Perf.Growth;
using MsResampler.Scenes;
using ScottPlot;

namespace MsResampler.Claim.Report;

/// <summary>The plots of a report.</summary>
internal static class ClaimPlots
{
    public const string Curves = "curves.png";
    public const string Accuracy = "accuracy.png";
    public const string Gate = "gate.png";
    public const string Sigmas = "sigmas.png";

    // Colours that people with colour blindness can distinguish (Okabe and Ito), then greys.
    private static readonly string[] s_colours = ["#000000", "#999999", "#CC79A7", "#E69F00", "#56B4E9", "#0072B2",
        "#009E73", "#D55E00", "#F0E442", "#8B4513", "#6A3D9A"];

    public static void Save(IReadOnlyList<ArmResults> results, string folder)
    {
        Directory.CreateDirectory(folder);
        PlotFont.Install();
        ArmResults[] finished = [.. results.Where(result => result.Runs.Count > 0)];
        SaveDifferences(finished, Path.Combine(folder, Accuracy));
        SaveCurves(finished, Path.Combine(folder, Curves));
        if (finished.FirstOrDefault(result => result.Arm.Name == ArmList.Scopes) is { } scopes)
            SaveGate(scopes, Path.Combine(folder, Gate));
        if (finished.FirstOrDefault(result => result.Runs.Values.Any(run => run.Sigmas is not null)) is { } sigmas)
            SaveSigmas(sigmas, Path.Combine(folder, Sigmas));
    }

    // The mean difference to the baseline of each arm, with its interval; the dots are the seeds.
    private static void SaveDifferences(ArmResults[] results, string path)
    {
        ArmResults? baseline = results.FirstOrDefault(result => result.Arm.Name == ArmList.Baseline);
        ArmResults[] others = [.. results.Where(result => result != baseline)];
        if (baseline is null || others.Length == 0)
            return;
        Plot plot = new();
        for (int index = 0; index < others.Length; index++)
        {
            double[] differences = others[index].Differences(baseline, run => run.Test?.Average());
            if (differences.Length == 0)
                continue;
            Interval interval = Bootstrap.OfMean(differences);
            int row = others.Length - 1 - index;
            Color colour = Color.FromHex(others[index].Arm.Name == ArmList.Scopes ? "#D55E00" : "#0072B2");
            var dots = plot.Add.ScatterPoints(differences.Select(value => 100 * value).ToArray(),
                differences.Select(_ => row - 0.18).ToArray(), colour.WithAlpha(0.35));
            dots.MarkerSize = 5;
            var line = plot.Add.Line(100 * interval.Low, row, 100 * interval.High, row);
            (line.LineWidth, line.LineColor) = (3, colour);
            plot.Add.Marker(100 * interval.Mean, row, MarkerShape.FilledCircle, 9, colour);
        }

        plot.Add.VerticalLine(0, 1, Colors.Black, LinePattern.Dashed);
        plot.Axes.Left.SetTicks([.. Enumerable.Range(0, others.Length).Select(row => (double)row)],
            [.. others.Reverse().Select(result => result.Arm.Title)]);
        plot.XLabel("mean accuracy minus that of the baseline, percentage points");
        plot.Title("Difference to one global scope: mean, 95 % interval, seeds", size: 15);
        plot.Axes.SetLimitsY(-0.6, others.Length - 0.4);
        plot.SavePng(path, 980, 90 + (46 * others.Length));
    }

    private static void SaveCurves(ArmResults[] results, string path)
    {
        Plot plot = new();
        for (int index = 0; index < results.Length; index++)
        {
            var points = results[index].Runs.Values.SelectMany(run => run.Curve).GroupBy(point => point.Step)
                .OrderBy(group => group.Key).ToArray();
            var line = plot.Add.Scatter(points.Select(group => (double)group.Key).ToArray(),
                points.Select(group => 100 * group.Average(point => point.Accuracy)).ToArray(),
                Color.FromHex(s_colours[index % s_colours.Length]));
            line.LineWidth = results[index].Arm.Name is ArmList.Scopes or ArmList.Baseline ? 4 : 2;
            line.MarkerSize = 5;
            line.LegendText = results[index].Arm.Title;
        }

        plot.XLabel("steps");
        plot.YLabel("mean accuracy on the validation split, %");
        plot.Title("Learning curves, mean over seeds", size: 15);
        plot.ShowLegend(Edge.Right);
        plot.SavePng(path, 1150, 560);
    }

    private static void SaveGate(ArmResults scopes, string path)
    {
        double[][][] gates = [.. scopes.Runs.Values.Select(run => run.Gate).OfType<double[][]>()];
        if (gates.Length == 0)
            return;
        string[] names = ["local", "region", "global"];
        string[] colours = ["#D55E00", "#009E73", "#0072B2"];
        Plot plot = new();
        for (int task = 0; task < Question.TaskCount; task++)
        {
            double bottom = 0;
            for (int scope = 0; scope < names.Length; scope++)
            {
                double weight = 100 * gates.Average(gate => gate[task][scope]);
                plot.Add.Bar(new Bar
                {
                    Position = task,
                    ValueBase = bottom,
                    Value = bottom + weight,
                    FillColor = Color.FromHex(colours[scope]),
                });
                bottom += weight;
            }
        }

        for (int scope = 0; scope < names.Length; scope++)
            plot.Legend.ManualItems.Add(new LegendItem
            {
                LabelText = names[scope],
                FillColor = Color.FromHex(colours[scope]),
            });
        plot.Axes.Bottom.SetTicks([.. Enumerable.Range(0, Question.TaskCount).Select(task => (double)task)],
            [.. Enum.GetNames<QuestionTask>().Select(name => name.ToLowerInvariant())]);
        plot.YLabel("weight of the scope, %");
        plot.Title("What the gate chose for the tokens that each kind of question reads", size: 15);
        plot.Axes.SetLimitsY(0, 100);
        plot.ShowLegend(Edge.Right);
        plot.SavePng(path, 820, 420);
    }

    private static void SaveSigmas(ArmResults arm, string path)
    {
        Plot plot = new();
        double[][] all = [.. arm.Runs.Values.Select(run => run.Sigmas).OfType<double[]>()];
        for (int pair = 0; pair < all[0].Length / 2; pair++)
        {
            double[] means = [.. all.Select(sigmas => Math.Sqrt(sigmas[2 * pair] * sigmas[(2 * pair) + 1]))];
            var dots = plot.Add.ScatterPoints(means.Select((_, index) => pair + (0.06 * (index - (means.Length / 2))))
                .ToArray(), means.Select(Math.Log2).ToArray(), Color.FromHex("#0072B2"));
            dots.MarkerSize = 6;
        }

        int heads = all[0].Length / 2 / arm.Arm.ScopeNames.Count;
        plot.Axes.Bottom.SetTicks([.. Enumerable.Range(0, all[0].Length / 2).Select(pair => (double)pair)],
            [.. Enumerable.Range(0, all[0].Length / 2).Select(pair => $"{(pair / heads) + 1}.{(pair % heads) + 1}")]);
        double[] powers = [-6, -5, -4, -3, -2, -1, 0, 1, 2];
        plot.Axes.Left.SetTicks(powers, [.. powers.Select(power => power < 0 ? $"1/{1 << (int)-power}"
            : $"{1 << (int)power}")]);
        plot.Axes.SetLimitsY(-6.3, 2.3);
        plot.Add.HorizontalLine(Math.Log2(ArmList.StartSigma), 1, Colors.Black, LinePattern.Dashed);
        plot.XLabel("scope.head");
        plot.YLabel("sigma, fraction of the canvas");
        plot.Title("Where learned sigmas ended (dots: seeds; dashed: start)", size: 15);
        plot.SavePng(path, 820, 420);
    }
}
