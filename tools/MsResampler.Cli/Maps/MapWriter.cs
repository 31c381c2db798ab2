using System.Globalization;
using System.Numerics.Tensors;
using SkiaSharp;

namespace MsResampler.Cli.Maps;

/// <summary>Draws maps of the attention of each scope and of the gate.</summary>
internal sealed class MapWriter(OutputFolder folder, ResamplerConfig config)
{
    /// <summary>The longer side of a large panel, and of a picture drawn under it.</summary>
    public const int PanelSide = 504;

    private const int MinPanelSide = 32;
    private const int Gap = 12;
    private const int ThumbnailCount = 3;

    /// <summary>Writes the attention on an image or a frame: <c>STEM-look-S-NAME.png</c> for each scope.</summary>
    /// <param name="stem">The start of the file names.</param>
    /// <param name="view">The attention and the gate.</param>
    /// <param name="frame">The frame; 0 for an image.</param>
    /// <param name="picture">The picture to draw over, or null.</param>
    /// <param name="cancellationToken">Stops before the next file is written.</param>
    /// <returns>The paths of the files.</returns>
    public IReadOnlyList<string> WriteLooks(string stem, TokenView view, int frame, SKBitmap? picture,
        CancellationToken cancellationToken)
        => [.. config.Scopes.Select((scope, index) => folder.Write($"{stem}-look-{index}-{FileName(scope.Name)}.png",
            DrawLook(index, view, frame, picture), cancellationToken))];

    /// <summary>Writes the weights of the scopes of an image or a group, <c>STEM-gate.png</c>.</summary>
    /// <inheritdoc cref="WriteLooks"/>
    /// <returns>The path of the file.</returns>
    public string WriteGate(string stem, TokenView view, SKBitmap? picture, CancellationToken cancellationToken)
        => folder.Write($"{stem}-gate.png", DrawGate(view, picture), cancellationToken);

    /// <summary>Draws the mean over all tokens on the left, and a few single tokens on the right. The maps of the
    /// frames of a group have the same scales.</summary>
    private byte[] DrawLook(int scope, TokenView view, int frame, SKBitmap? picture)
    {
        PatchGrid grid = view.Grids[frame];
        SKSizeI panel = PanelSize(grid, picture);
        int[] frames = [.. Enumerable.Range(0, view.Grids.Count)];
        double[] mean = view.MeanAttention(scope, frame);
        // The scale ends at least at twice the uniform share, so that noise around it does not look like a pattern.
        double top = Math.Max(frames.Max(other => view.MeanAttention(scope, other).Max()), 2);

        int[] rows = Spread(config.QueryGrid.Rows);
        int[] columns = Spread(config.QueryGrid.Columns);
        SKSizeI thumbnail = new((panel.Width - (2 * Gap)) / ThumbnailCount,
            (panel.Height - (2 * Gap)) / ThumbnailCount);
        int columnWidth = Math.Max(panel.Width, PanelSide);
        int panelY = MapSheet.Margin + MapSheet.TitleHeight + MapSheet.LabelHeight;
        int rightX = MapSheet.Margin + columnWidth + (2 * Gap);
        int height = panelY + panel.Height + Gap + (2 * MapSheet.LabelHeight) + MapSheet.Margin;
        using MapSheet sheet = new(rightX + columnWidth + MapSheet.Margin, height);
        ScopeConfig scopeConfig = config.Scopes[scope];
        sheet.Title(scopeConfig.Name, ScopeText.Describe(scopeConfig));
        string share = frames.Length == 1 ? "attention, mean over all tokens and heads"
            : string.Create(CultureInfo.InvariantCulture, $"mean attention; {Quantity.Percent(
                view.Attention[scope][frame].Sum() / config.QueryGrid.QueryCount)} on frame {frame:D3}");
        sheet.Label(share, MapSheet.Margin,
            panelY - MapSheet.LabelHeight, columnWidth, Palette.FaintText);
        sheet.Label($"{rows.Length * columns.Length} of {config.QueryGrid.QueryCount} tokens; " +
            "+ is a token's position", rightX,
            panelY - MapSheet.LabelHeight, columnWidth, Palette.FaintText);

        SKRectI area = SKRectI.Create(MapSheet.Margin, panelY, panel.Width, panel.Height);
        sheet.Panel(picture, area, grid,
            (row, column) => HeatOver(mean[(row * grid.Columns) + column] / top));
        int barY = area.Bottom + Gap;
        sheet.HeatBar(area.Left, barY, columnWidth, "0", $"{Quantity.Digits(top)} x uniform");

        for (int r = 0; r < rows.Length; r++)
        {
            for (int c = 0; c < columns.Length; c++)
            {
                int query = (rows[r] * config.QueryGrid.Columns) + columns[c];
                ReadOnlyMemory<float> own = view.AttentionOf(query, scope, frame);
                double max = frames.Max(other => TensorPrimitives.Max(view.AttentionOf(query, scope, other).Span));
                max = Math.Max(max, float.Epsilon);
                SKRectI place = SKRectI.Create(rightX + (c * (thumbnail.Width + Gap)),
                    panelY + (r * (thumbnail.Height + Gap)),
                    thumbnail.Width, thumbnail.Height);
                sheet.Panel(picture, place, grid,
                    (row, column) => HeatOver(own.Span[(row * grid.Columns) + column] / max));
                sheet.Cross(place, grid,
                    ScopeGeometry.Anchor(rows[r], config.QueryGrid.Rows, grid.Rows),
                    ScopeGeometry.Anchor(columns[c], config.QueryGrid.Columns, grid.Columns));
            }
        }

        sheet.HeatBar(rightX, barY, columnWidth, "0", "maximum of each token");
        return sheet.ToPng();
    }

    /// <summary>Draws the scope with the largest weight for each token on the left, and the weights of each scope on
    /// the right.</summary>
    private byte[] DrawGate(TokenView view, SKBitmap? picture)
    {
        SKSizeI panel = PanelSize(view.Grids[0], picture);
        PatchGrid queries = new(config.QueryGrid.Rows, config.QueryGrid.Columns);
        int scopeCount = config.Scopes.Count;
        int[] winners = [.. Enumerable.Range(0, config.QueryGrid.QueryCount).Select(query =>
            Enumerable.Range(0, scopeCount).MaxBy(scope => view.Gate[scope][query]))];
        double top = view.Gate.Max(weights => weights.Max());

        int perRow = Math.Min(scopeCount, ThumbnailCount);
        int rowCount = (scopeCount + perRow - 1) / perRow;
        SKSizeI small = new(panel.Width * 2 / 3, panel.Height * 2 / 3);
        int smallWidth = Math.Max(small.Width, PanelSide * 2 / 3);
        int columnWidth = Math.Max(panel.Width, PanelSide);
        int panelY = MapSheet.Margin + MapSheet.TitleHeight + MapSheet.LabelHeight;
        int rightX = MapSheet.Margin + columnWidth + (2 * Gap);
        int rowStep = small.Height + Gap + MapSheet.LabelHeight;
        int barY = panelY + (rowCount * rowStep) - MapSheet.LabelHeight;
        int legendY = Math.Max(panelY + panel.Height, barY + (2 * MapSheet.LabelHeight)) + Gap;
        int rightWidth = (perRow * (smallWidth + Gap)) - Gap;
        int width = rightX + rightWidth + MapSheet.Margin;
        using MapSheet sheet = new(width, legendY + (scopeCount * MapSheet.LabelHeight) + MapSheet.Margin);
        sheet.Title("gate", "the weights of the scopes for each token");
        sheet.Label($"scope with the largest weight, {queries} tokens", MapSheet.Margin,
            panelY - MapSheet.LabelHeight, columnWidth, Palette.FaintText);
        sheet.Panel(picture, SKRectI.Create(MapSheet.Margin, panelY, panel.Width, panel.Height), queries,
            (row, column) => Palette.Scope(winners[(row * queries.Columns) + column]).WithAlpha(190));
        for (int scope = 0; scope < scopeCount; scope++)
        {
            float[] weights = view.Gate[scope];
            string name = config.Scopes[scope].Name;
            sheet.Key(MapSheet.Margin, legendY + (scope * MapSheet.LabelHeight),
                width - (2 * MapSheet.Margin), Palette.Scope(scope),
                $"{name}: largest in {winners.Count(winner => winner == scope)} of {winners.Length} tokens, " +
                $"mean weight {Quantity.Percent(weights.Average())}");
            int x = rightX + (scope % perRow * (smallWidth + Gap));
            int y = panelY + (scope / perRow * rowStep);
            sheet.Label($"weight of {name}", x, y - MapSheet.LabelHeight, smallWidth, Palette.FaintText);
            sheet.Panel(picture, SKRectI.Create(x, y, small.Width, small.Height), queries,
                (row, column) => HeatOver(weights[(row * queries.Columns) + column] / top));
        }

        sheet.HeatBar(rightX, barY, rightWidth, "0", Quantity.Digits(top));
        return sheet.ToPng();
    }

    // Cells with small values are more transparent.
    private static SKColor HeatOver(double heat)
        => Palette.Heat(heat).WithAlpha((byte)(heat <= 0 ? 0 : 90 + (120 * heat)));

    private static SKSizeI PanelSize(PatchGrid grid, SKBitmap? picture)
    {
        double ratio = picture is null
            ? (double)grid.Columns / grid.Rows : (double)picture.Width / picture.Height;
        return ratio >= 1
            ? new SKSizeI(PanelSide, Math.Max((int)(PanelSide / ratio), MinPanelSide))
            : new SKSizeI(Math.Max((int)(PanelSide * ratio), MinPanelSide), PanelSide);
    }

    /// <summary>The first, middle and last index below <paramref name="count"/>.</summary>
    private static int[] Spread(int count) => [.. Enumerable.Range(0, ThumbnailCount)
        .Select(index => index * (count - 1) / (ThumbnailCount - 1)).Distinct()];

    private static string FileName(string name)
        => new([.. name.Select(symbol => char.IsAsciiLetterOrDigit(symbol) || symbol is '-' ? symbol : '_')]);
}
