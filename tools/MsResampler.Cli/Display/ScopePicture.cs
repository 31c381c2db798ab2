namespace MsResampler.Cli.Display;

/// <summary>Draws the patches that a query sees, with characters.</summary>
internal static class ScopePicture
{
    private const int MaxCellCount = 32;
    private const char Outside = '·';
    private const string Shades = "░▒▓█";

    /// <summary>Draws the patches that a query sees. A darker patch has a larger weight in the prior, relative to the
    /// nearest patch.</summary>
    /// <param name="bias">The scope's bias. If heads differ, head 0 is drawn.</param>
    /// <param name="grid">The patch grid. If a side is longer than 32, a cell represents several patches.</param>
    /// <param name="query">The query's row and column.</param>
    /// <param name="cellWidth">Characters per cell.</param>
    public static IReadOnlyList<string> Draw(ScopeBias bias, PatchGrid grid, (int Row, int Column) query, int cellWidth)
    {
        int step = (Math.Max(grid.Rows, grid.Columns) + MaxCellCount - 1) / MaxCellCount;
        List<string> lines = [];
        for (int top = 0; top < grid.Rows; top += step)
        {
            char[] line = new char[(grid.Columns + step - 1) / step * cellWidth];
            double row = Strongest(patch => bias.Row(query.Row, 0, patch), top, Math.Min(top + step, grid.Rows));
            for (int left = 0; left < grid.Columns; left += step)
            {
                double strongest = row + Strongest(patch => bias.Column(query.Column, 0, patch), left,
                    Math.Min(left + step, grid.Columns));
                line.AsSpan(left / step * cellWidth, cellWidth).Fill(double.IsNegativeInfinity(strongest)
                    ? Outside : Shades[Math.Min((int)(Math.Pow(2, strongest) * Shades.Length), Shades.Length - 1)]);
            }

            lines.Add(new string(line));
        }

        return lines;
    }

    private static double Strongest(Func<int, double> bias, int start, int end)
        => Enumerable.Range(start, end - start).Max(bias);
}
