using System.Globalization;
using System.Text;
using ScottPlot;
using ScottPlot.MultiplotLayouts;
using ScottPlot.TickGenerators;

namespace MsResampler.Perf.Growth;

/// <summary>The report of the command <c>growth</c>, as Markdown and as a plot.</summary>
/// <param name="Panels">The panels.</param>
internal sealed record GrowthReport(IReadOnlyList<GrowthPanel> Panels)
{
    private const int PanelWidth = 560;
    private const int PanelHeight = 460;

    /// <summary>Colours that people with colour blindness can distinguish.</summary>
    private static readonly string[] s_colours = ["#0072B2", "#D55E00"];

    /// <summary>Writes <paramref name="name"/>.md and <paramref name="name"/>.png.</summary>
    public void Save(string folder, string name, string description)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, name + ".md"), ToMarkdown(description, name + ".png"));
        PlotFont.Install();
        Multiplot plot = new() { Layout = new Grid(2, (Panels.Count + 1) / 2) };
        plot.AddPlots(Panels.Count);
        for (int index = 0; index < Panels.Count; index++)
            Draw(Panels[index], plot.GetPlot(index));
        plot.SavePng(Path.Combine(folder, name + ".png"), (Panels.Count + 1) / 2 * PanelWidth, 2 * PanelHeight);
    }

    public string ToMarkdown(string description, string plotName)
    {
        StringBuilder text = new();
        text.Append(CultureInfo.InvariantCulture, $"""
            # Growth of the time of a call

            {description}
            ![Time of a call over size, on logarithmic scales]({plotName})

            Times are in ms: median (10th–90th percentile) of a call. The exponent e of time ∝ sizeᵉ is fitted by
            least squares on logarithmic scales: over all sizes, and over the larger half, where the fixed cost of a
            call has less influence.


            """);
        return text.Append(ToTables()).ToString();
    }

    /// <summary>The tables alone.</summary>
    public string ToTables()
    {
        StringBuilder text = new();
        foreach (GrowthPanel panel in Panels)
            AppendTable(text, panel);
        return text.ToString().TrimEnd() + "\n";
    }

    private static void AppendTable(StringBuilder text, GrowthPanel panel)
    {
        bool isCounted = panel.Series[0].Points[0].Flops > 0;
        text.Append(CultureInfo.InvariantCulture, $"## {panel.Title}\n\n| {panel.SizeLabel} |");
        text.AppendJoin("", panel.Series.Select(series => $" {series.Name} |" +
            (isCounted ? " ms per frame | MFLOP per frame |" : "")));
        text.Append("\n|--:|").Insert(text.Length, "--:|", (isCounted ? 3 : 1) * panel.Series.Count).Append('\n');
        for (int row = 0; row < panel.Series[0].Points.Count; row++)
        {
            text.Append(CultureInfo.InvariantCulture, $"| {panel.Series[0].Points[row].Size} |");
            foreach (GrowthSeries series in panel.Series)
            {
                Spread times = series.Points[row].Times;
                text.Append(CultureInfo.InvariantCulture,
                    $" {times.Median:0.000} ({times.P10:0.000}–{times.P90:0.000}) |");
                (int size, _, double flops) = series.Points[row];
                if (isCounted)
                    text.Append(CultureInfo.InvariantCulture,
                        $" {times.Median / size:0.000} | {flops / size / 1e6:0.00} |");
            }

            text.Append('\n');
        }

        text.Append("| exponent |");
        foreach (GrowthSeries series in panel.Series)
            text.Append(CultureInfo.InvariantCulture,
                $" **{series.Exponent:0.00}**, larger half {series.LargerExponent:0.00} |{(isCounted ? " | |" : "")}");
        text.Append("\n\n");
    }

    private static void Draw(GrowthPanel panel, Plot plot)
    {
        for (int index = 0; index < panel.Series.Count; index++)
        {
            GrowthSeries series = panel.Series[index];
            var line = plot.Add.Scatter(
                series.Points.Select(point => Math.Log10(point.Size)).ToArray(),
                series.Points.Select(point => Math.Log10(point.Times.Median)).ToArray(),
                Color.FromHex(s_colours[index]));
            line.LineWidth = 2;
            line.MarkerSize = 7;
            line.LegendText = string.Create(CultureInfo.InvariantCulture,
                $"{series.Name}: exponent {series.Exponent:0.00}, larger half {series.LargerExponent:0.00}");
        }

        plot.Title(panel.Title, size: 15);
        plot.XLabel(panel.SizeLabel);
        plot.YLabel("ms per call");
        plot.ShowLegend(Alignment.UpperLeft);
        NumericManual sizes = new();
        foreach ((int size, _, _) in panel.Series[0].Points)
            sizes.AddMajor(Math.Log10(size), size.ToString(CultureInfo.InvariantCulture));
        plot.Axes.Bottom.TickGenerator = sizes;
        plot.Axes.Left.TickGenerator = new NumericAutomatic
        {
            IntegerTicksOnly = true,
            MinorTickGenerator = new LogMinorTickGenerator(),
            LabelFormatter = power => Math.Pow(10, power).ToString("0.####", CultureInfo.InvariantCulture),
        };

        // Whole decades, and space for the legend above the lines.
        double lowest = panel.Series.Min(series => series.Points.Min(point => point.Times.Median));
        double highest = panel.Series.Max(series => series.Points.Max(point => point.Times.Median));
        plot.Axes.SetLimitsY(Math.Floor(Math.Log10(lowest)), Math.Ceiling(Math.Log10(highest)) + 0.6);
    }
}
