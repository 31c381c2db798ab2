using SkiaSharp;

namespace MsResampler.Cli.Maps;

/// <summary>A picture with panels, labels and legends. A panel is a backdrop with a coloured grid over it.</summary>
internal sealed class MapSheet : IDisposable
{
    public const int Margin = 24;
    private const int LabelScale = 2;
    public const int LabelHeight = LabelScale * PixelFont.LineHeight;

    /// <summary>The height of the title and the line below it, with the space after them.</summary>
    public const int TitleHeight = TitleLineHeight + LabelHeight + 8;

    private const int TitleScale = 3;
    private const int TitleLineHeight = TitleScale * PixelFont.LineHeight;
    private const int BarHeight = 14;

    private readonly SKBitmap _bitmap;
    private readonly SKCanvas _canvas;

    public MapSheet(int width, int height)
    {
        _bitmap = new SKBitmap(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque);
        _canvas = new SKCanvas(_bitmap);
        _canvas.Clear(Palette.Background);
    }

    /// <summary>Draws a line of large text and a line of small text at the top.</summary>
    public void Title(string text, string explanation)
    {
        int width = _bitmap.Width - (2 * Margin);
        PixelFont.Draw(_canvas, PixelFont.Fit(text, TitleScale, width), Margin, Margin, TitleScale,
            Palette.Text);
        Label(explanation, Margin, Margin + TitleLineHeight, width, Palette.Text);
    }

    /// <summary>Draws a line of small text, shortened to a width.</summary>
    public void Label(string text, int x, int y, int width, SKColor color)
        => PixelFont.Draw(_canvas, PixelFont.Fit(text, LabelScale, width), x, y, LabelScale, color);

    /// <summary>Draws a line of small text whose middle is at <paramref name="x"/>.</summary>
    public void LabelCentred(string text, int x, int y, SKColor color)
        => PixelFont.Draw(_canvas, text, x - (PixelFont.Measure(text, LabelScale) / 2), y, LabelScale, color);

    /// <summary>Draws a straight line.</summary>
    public void Line(int fromX, int fromY, int toX, int toY, SKColor color, int width)
    {
        using SKPaint paint = new() { Color = color, StrokeWidth = width, IsAntialias = width > 1 };
        _canvas.DrawLine(fromX, fromY, toX, toY, paint);
    }

    /// <summary>Draws a grid of colours that covers a backdrop.</summary>
    /// <param name="backdrop">The picture, or null for a plain background.</param>
    /// <param name="area">The area of the panel.</param>
    /// <param name="grid">The grid's extents.</param>
    /// <param name="color">The colour of cell (row, column), with its opacity.</param>
    public void Panel(SKBitmap? backdrop, SKRectI area, PatchGrid grid, Func<int, int, SKColor> color)
    {
        using SKPaint plain = new() { Color = Palette.Empty };
        _canvas.DrawRect(area, plain);
        if (backdrop is not null)
        {
            // The backdrop is grey and darkened, so that only the map has colours.
            using SKPaint grey = new()
            {
                ColorFilter = SKColorFilter.CreateColorMatrix(
                [
                    0.16f, 0.42f, 0.06f, 0, 0,
                    0.16f, 0.42f, 0.06f, 0, 0,
                    0.16f, 0.42f, 0.06f, 0, 0,
                    0, 0, 0, 1, 0,
                ]),
            };
            DrawBitmap(backdrop, area, new SKSamplingOptions(SKFilterMode.Linear, SKMipmapMode.Linear), grey);
        }

        using SKBitmap cells = new(grid.Columns, grid.Rows, SKColorType.Rgba8888, SKAlphaType.Unpremul);
        for (int row = 0; row < grid.Rows; row++)
            for (int column = 0; column < grid.Columns; column++)
                cells.SetPixel(column, row, color(row, column));
        DrawBitmap(cells, area, new SKSamplingOptions(SKFilterMode.Nearest), null);
    }

    /// <summary>Marks a position, given in cells of a panel's grid.</summary>
    public void Cross(SKRectI area, PatchGrid grid, double row, double column)
    {
        float x = (float)(area.Left + ((column + 0.5) * area.Width / grid.Columns));
        float y = (float)(area.Top + ((row + 0.5) * area.Height / grid.Rows));
        foreach ((SKColor color, float width, float reach) in (ReadOnlySpan<(SKColor, float, float)>)
            [(SKColors.Black, 4, 7), (SKColors.White, 2, 6)])
        {
            using SKPaint paint = new() { Color = color, StrokeWidth = width, IsAntialias = true };
            _canvas.DrawLine(x - reach, y, x + reach, y, paint);
            _canvas.DrawLine(x, y - reach, x, y + reach, paint);
        }
    }

    /// <summary>Draws the scale of a heat map, with labels at its ends.</summary>
    public void HeatBar(int x, int y, int width, string low, string high)
    {
        for (int column = 0; column < width; column++)
        {
            using SKPaint paint = new() { Color = Palette.Heat((double)column / width) };
            _canvas.DrawRect(x + column, y, 1, BarHeight, paint);
        }

        Label(low, x, y + BarHeight + 6, width / 2, Palette.FaintText);
        int highX = x + width - PixelFont.Measure(high, LabelScale);
        Label(high, highX, y + BarHeight + 6, width, Palette.FaintText);
    }

    /// <summary>Draws a coloured square and its meaning.</summary>
    public void Key(int x, int y, int width, SKColor color, string meaning)
    {
        const int Side = 14;
        using SKPaint paint = new() { Color = color };
        _canvas.DrawRect(x, y, Side, Side, paint);
        Label(meaning, x + Side + 10, y, width - Side - 10, Palette.Text);
    }

    /// <summary>Returns the sheet as a PNG file.</summary>
    public byte[] ToPng()
    {
        _canvas.Flush();
        using SKData data = _bitmap.Encode(SKEncodedImageFormat.Png, quality: 100);
        return data.ToArray();
    }

    public void Dispose()
    {
        _canvas.Dispose();
        _bitmap.Dispose();
    }

    private void DrawBitmap(SKBitmap bitmap, SKRectI area, SKSamplingOptions sampling, SKPaint? paint)
    {
        using SKImage image = SKImage.FromBitmap(bitmap);
        _canvas.DrawImage(image, new SKRect(area.Left, area.Top, area.Right, area.Bottom), sampling, paint);
    }
}
