using MsResampler.Model;

namespace MsResampler.Cli.Display;

/// <summary>What one query sees of a patch grid, drawn with characters.</summary>
internal static class ScopePicture
{
    private const int MaxCellCount = 32;
    private const char Outside = '·';
    private const string Shades = "░▒▓█";

    /// <summary>Draws the patches that query (row, column) sees, darker where its prior weighs them
    /// more.</summary>
    /// <param name="scope">The scope.</param>
    /// <param name="sigma">Its standard deviations in patches; null where its prior has none.</param>
    /// <param name="queries">The query grid.</param>
    /// <param name="grid">The patch grid; above 32 a side, a cell stands for several patches.</param>
    /// <param name="query">The query's row and column.</param>
    /// <param name="cellWidth">Characters a cell.</param>
    public static IReadOnlyList<string> Draw(ScopeConfig scope, AxisPair? sigma, QueryGrid queries,
        PatchGrid grid,
        (int Row, int Column) query, int cellWidth)
    {
        ScopeWindows windows = ScopeWindows.Resolve(scope, queries, grid);
        AxisRange rows = windows.Rows[query.Row];
        AxisRange columns = windows.Columns[query.Column];
        double anchorY = ScopeGeometry.Anchor(query.Row, queries.Rows, grid.Rows);
        double anchorX = ScopeGeometry.Anchor(query.Column, queries.Columns, grid.Columns);
        int step = (Math.Max(grid.Rows, grid.Columns) + MaxCellCount - 1) / MaxCellCount;

        List<string> lines = [];
        for (int top = 0; top < grid.Rows; top += step)
        {
            char[] line = new char[(grid.Columns + step - 1) / step * cellWidth];
            for (int left = 0; left < grid.Columns; left += step)
            {
                double strongest = -1;
                for (int row = top; row < Math.Min(top + step, grid.Rows); row++)
                    for (int column = left; column < Math.Min(left + step, grid.Columns); column++)
                        if (rows.Contains(row) && columns.Contains(column))
                            strongest = Math.Max(strongest, Weight(row - anchorY, column - anchorX, sigma));
                char shade = strongest < 0
                    ? Outside : Shades[Math.Min((int)(strongest * Shades.Length), Shades.Length - 1)];
                line.AsSpan(left / step * cellWidth, cellWidth).Fill(shade);
            }

            lines.Add(new string(line));
        }

        return lines;
    }

    private static double Weight(double y, double x, AxisPair? sigma) => sigma is not { } s
        ? 1
        : Math.Exp(-(y * y / (2 * s.Rows * s.Rows)) - (x * x / (2 * s.Columns * s.Columns)));
}
