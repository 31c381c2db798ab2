using System.Globalization;
using MsResampler.Cli.Training;
using SkiaSharp;

namespace MsResampler.Cli.Maps;

/// <summary>Draws the loss of a training run over its steps, with a logarithmic scale.</summary>
internal static class LossPlot
{
    private const int Width = 960;
    private const int Height = 540;
    private const int LabelWidth = 110;
    private const int TickCount = 6;

    private static readonly int[] s_distances = [1, 2, 5, 10];

    private static readonly SKRectI s_area = new(MapSheet.Margin + LabelWidth,
        MapSheet.Margin + MapSheet.TitleHeight + 8,
        Width - MapSheet.Margin, Height - MapSheet.Margin - MapSheet.LabelHeight - 8);

    /// <summary>The number of columns of the curve.</summary>
    public static int ColumnCount => s_area.Width;

    /// <summary>Returns the plot as a PNG file.</summary>
    /// <param name="title">The title.</param>
    /// <param name="curve">The loss, in <see cref="ColumnCount"/> columns.</param>
    public static byte[] Draw(string title, LossCurve curve)
    {
        using MapSheet sheet = new(Width, Height);
        sheet.Title(title, "loss over steps: the mean, and the range of single batches");
        if (curve.Range is not { } range)
            return sheet.ToPng();
        (double low, double high) = (Math.Log10(range.Low), Math.Log10(range.High));
        // At least a tenth of a decade, so that a constant loss is a line in the middle.
        double margin = Math.Max((high - low) * 0.05, 0.05);
        (low, high) = (low - margin, high + margin);
        foreach (double tick in LossTicks(low, high))
        {
            int y = RowOf(tick, low, high);
            sheet.Line(s_area.Left, y, s_area.Right, y, Palette.Empty, 1);
            sheet.Label(tick.ToString("G2", CultureInfo.InvariantCulture), MapSheet.Margin, y - 8, LabelWidth,
                Palette.FaintText);
        }

        foreach (long tick in StepTicks(curve.StepCount))
        {
            int x = s_area.Left + (int)(tick * s_area.Width / curve.StepCount);
            sheet.Line(x, s_area.Top, x, s_area.Bottom, Palette.Empty, 1);
            string label = tick.ToString("N0", CultureInfo.InvariantCulture);
            sheet.LabelCentred(label, x, s_area.Bottom + 8, Palette.FaintText);
        }

        (int X, int Y)? last = null;
        SKColor band = Palette.Scope(1).WithAlpha(90);
        for (int column = 0; column < curve.Columns.Count; column++)
        {
            if (curve.Columns[column] is not { } values || values.Low <= 0)
                continue;
            int x = s_area.Left + column;
            sheet.Line(x, RowOf(values.Low, low, high), x, RowOf(values.High, low, high), band, 1);
            (int X, int Y) point = (x, RowOf(values.Mean, low, high));
            if (last is { } from)
                sheet.Line(from.X, from.Y, point.X, point.Y, Palette.Scope(0), 2);
            last = point;
        }

        return sheet.ToPng();
    }

    private static int RowOf(double loss, double low, double high)
        => s_area.Bottom - (int)Math.Round((Math.Log10(loss) - low) / (high - low) * s_area.Height);

    /// <summary>1, 2 and 5 times powers of ten; powers of ten only if there are many.</summary>
    private static IEnumerable<double> LossTicks(double low, double high)
    {
        int[] steps = high - low > 2.5 ? [1] : [1, 2, 5];
        int every = Math.Max(1, (int)Math.Ceiling((high - low) / (2 * TickCount)));
        for (int exponent = (int)Math.Floor(low); exponent <= high; exponent++)
        {
            foreach (int step in steps)
            {
                double tick = step * Math.Pow(10, exponent);
                if (exponent % every == 0 && Math.Log10(tick) >= low && Math.Log10(tick) <= high)
                    yield return tick;
            }
        }
    }

    private static IEnumerable<long> StepTicks(long stepCount)
    {
        double rough = (double)stepCount / TickCount;
        double power = Math.Pow(10, Math.Floor(Math.Log10(Math.Max(rough, 1))));
        long distance = (long)(power * s_distances.First(factor => factor * power >= rough || factor == 10));
        for (long tick = 0; tick <= stepCount; tick += Math.Max(distance, 1))
            yield return tick;
    }
}
