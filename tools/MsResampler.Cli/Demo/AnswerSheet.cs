using MsResampler.Cli.Maps;
using MsResampler.Scenes;
using SkiaSharp;

namespace MsResampler.Cli.Demo;

/// <summary>Draws the picture of the demo: the scene, the scope that each token takes, and for each question where the
/// scopes look and the answer. A scope has the same colour everywhere.</summary>
internal sealed class AnswerSheet : IDisposable
{
    private const int Margin = 28;
    private const int Gap = 20;
    private const int SceneSide = 384;
    private const int PanelSide = 192;
    private const int BarHeight = 16;
    private const int SmallText = 2;
    private const int LargeText = 3;
    private const int SmallLine = SmallText * PixelFont.LineHeight;
    private const int LargeLine = LargeText * PixelFont.LineHeight;
    private const int RowHeight = LargeLine + PanelSide + SmallLine + (2 * Gap);
    private const int AnswerWidth = 300;
    private const int Width = (2 * Margin) + (4 * PanelSide) + (4 * Gap) + AnswerWidth;
    private const int TopHeight = Margin + LargeLine + (2 * SmallLine) + Gap + SmallLine + SceneSide + Gap + Gap;

    private static readonly SKColor s_right = new(120, 220, 130);
    private static readonly SKColor s_wrong = new(255, 110, 100);

    private readonly SceneReading _reading;
    private readonly ResamplerConfig _config;
    private readonly SKBitmap _picture;
    private readonly SKBitmap _sheet;
    private readonly SKCanvas _canvas;

    private AnswerSheet(SceneReading reading, ResamplerConfig config, SKBitmap picture)
    {
        (_reading, _config, _picture) = (reading, config, picture);
        _sheet = new SKBitmap(Width, TopHeight + (reading.Answers.Count * RowHeight) + Margin - Gap,
            SKColorType.Rgba8888, SKAlphaType.Opaque);
        _canvas = new SKCanvas(_sheet);
        _canvas.Clear(Palette.Background);
    }

    /// <summary>Draws the sheet.</summary>
    /// <param name="reading">The answers.</param>
    /// <param name="config">The model's configuration.</param>
    /// <param name="picture">The picture of the scene.</param>
    /// <returns>A PNG file.</returns>
    public static byte[] Draw(SceneReading reading, ResamplerConfig config, SKBitmap picture)
    {
        using AnswerSheet sheet = new(reading, config, picture);
        sheet.DrawTop();
        for (int index = 0; index < reading.Answers.Count; index++)
            sheet.DrawAnswer(reading.Answers[index], TopHeight + (index * RowHeight));
        sheet._canvas.Flush();
        using SKData data = sheet._sheet.Encode(SKEncodedImageFormat.Png, quality: 100);
        return data.ToArray();
    }

    public void Dispose()
    {
        _canvas.Dispose();
        _sheet.Dispose();
    }

    private void DrawTop()
    {
        int tokens = _config.QueryGrid.QueryCount;
        PatchGrid grid = SceneLayout.Grid(scale: 1);
        int y = Margin;
        Text("Five questions about one picture", Margin, y, LargeText, Palette.Text);
        y += LargeLine;
        Text($"A resampler condenses the {grid.PatchCount} patches of the picture into {tokens} tokens. A small " +
            "network", Margin, y, SmallText, Palette.FaintText);
        Text($"sees only the {tokens} tokens and answers. Three scopes fill each token, weighted by a gate.", Margin,
            y + SmallLine, SmallText, Palette.FaintText);
        y += (2 * SmallLine) + Gap;
        SKRect scene = Square(Margin, y + SmallLine, SceneSide);
        Text("the picture", Margin, y, SmallText, Palette.Text);
        DrawPicture(scene, brightness: 1);
        DrawCells(scene);
        SKRect map = Square(Margin + SceneSide + Gap, y + SmallLine, SceneSide);
        Text("which scope each token takes", (int)map.Left, y, SmallText, Palette.Text);
        DrawGate(map);
        int x = (int)map.Right + Gap;
        for (int scope = 0; scope < _config.Scopes.Count; scope++)
        {
            int top = (int)map.Top + (scope * 6 * SmallLine);
            Fill(new SKRect(x, top, x + (2 * BarHeight), top + BarHeight), Palette.Scope(scope));
            Text(_config.Scopes[scope].Name, x + (2 * BarHeight) + 10, top, SmallText, Palette.Text);
            string[] lines = Describe(_config.Scopes[scope], grid);
            for (int line = 0; line < lines.Length; line++)
                Text(lines[line], x, top + ((line + 1) * SmallLine), SmallText, Palette.FaintText);
            Text($"mean weight {Quantity.Percent(_reading.View.Gate[scope].Average())}", x,
                top + ((lines.Length + 1) * SmallLine), SmallText, Palette.Scope(scope));
        }
    }

    private static string[] Describe(ScopeConfig scope, PatchGrid grid) => scope switch
    {
        { Prior: ScopePrior.Window, Window: { } window } =>
            [$"sees {Patches(window.Rows, grid.Rows)}x{Patches(window.Columns, grid.Columns)} patches",
                "around the token"],
        { Prior: ScopePrior.Gaussian } => ["sees near patches more", "than distant ones"],
        _ => [$"sees all {grid} patches", "of the picture"],
    };

    private static int Patches(double fraction, int extent)
        => ScopeGeometry.WindowExtent(ScopeUnits.Fraction, fraction, extent);

    // Each token has a bar per scope; the background has the colour of the largest.
    private void DrawGate(SKRect area)
    {
        DrawPicture(area, brightness: 0.45f);
        (int rows, int columns) = (_config.QueryGrid.Rows, _config.QueryGrid.Columns);
        float side = area.Width / columns;
        int scopes = _config.Scopes.Count;
        float top = _reading.View.Gate.Max(weights => weights.Max());
        for (int token = 0; token < rows * columns; token++)
        {
            SKRect cell = SKRect.Create(area.Left + (token % columns * side) + 2,
                area.Top + (token / columns * area.Height / rows) + 2, side - 4, (area.Height / rows) - 4);
            int largest = Enumerable.Range(0, scopes).MaxBy(scope => _reading.View.Gate[scope][token]);
            Fill(cell, Palette.Scope(largest).WithAlpha(90));
            using SKPaint frame = new()
            {
                Color = Palette.Scope(largest),
                Style = SKPaintStyle.Stroke,
                StrokeWidth = 3,
            };
            _canvas.DrawRect(cell, frame);
            int textY = (int)cell.MidY - (scopes * (SmallLine + 6) / 2);
            for (int scope = 0; scope < scopes; scope++, textY += SmallLine + 6)
            {
                float weight = _reading.View.Gate[scope][token];
                Fill(SKRect.Create(cell.Left + 8, textY, (cell.Width - 72) * weight / top, BarHeight),
                    Palette.Scope(scope));
                string share = Quantity.Percent(weight);
                Text(share, (int)cell.Right - 8 - PixelFont.Measure(share, SmallText), textY, SmallText,
                    Palette.Text);
            }
        }
    }

    private void DrawAnswer(SceneAnswer answer, int y)
    {
        Text(answer.Question.ToString(), Margin, y, LargeText, Palette.Text);
        y += LargeLine;
        SKRect area = Square(Margin, y, PanelSide);
        DrawPicture(area, brightness: 1);
        Mark(answer.Question, area, SKColors.White, 4);
        Text("what is asked", Margin, y + PanelSide + 6, SmallText, Palette.FaintText);
        for (int scope = 0; scope < _config.Scopes.Count; scope++)
        {
            area = Square(Margin + ((scope + 1) * (PanelSide + Gap)), y, PanelSide);
            DrawPicture(area, brightness: 0.5f);
            DrawLook(answer.Looks[scope], area, Palette.Scope(scope));
            Mark(answer.Question, area, SKColors.White.WithAlpha(110), 2);
            Text($"{_config.Scopes[scope].Name}: {Quantity.Percent(answer.ShareOf(scope))}", (int)area.Left,
                y + PanelSide + 6, SmallText, Palette.Scope(scope));
        }

        int x = (int)area.Right + Gap;
        Text(answer.Question.Describe(answer.Answer), x, y + 40, LargeText, Palette.Text);
        Text($"probability {Quantity.Percent(answer.Probability)}", x, y + 40 + LargeLine, SmallText,
            Palette.FaintText);
        Text(answer.IsRight ? "right" : "wrong; the truth is", x, y + 50 + LargeLine + SmallLine, SmallText,
            answer.IsRight ? s_right : s_wrong);
        if (!answer.IsRight)
            Text(answer.Question.Describe(answer.Question.Answer), x, y + 50 + LargeLine + (2 * SmallLine), SmallText,
                s_wrong);
    }

    // The patch with the most attention of this scope is opaque.
    private void DrawLook(float[] look, SKRect area, SKColor color)
    {
        PatchGrid grid = SceneLayout.Grid(scale: 1);
        float top = Math.Max(look.Max(), float.Epsilon);
        float side = area.Width / grid.Columns;
        for (int patch = 0; patch < look.Length; patch++)
            Fill(SKRect.Create(area.Left + (patch % grid.Columns * side), area.Top + (patch / grid.Columns * side),
                side, side), color.WithAlpha((byte)(230 * look[patch] / top)));
    }

    /// <summary>Draws a frame around what a question names: its cells, its quarter, or the whole picture.</summary>
    private void Mark(Question question, SKRect area, SKColor color, float width)
    {
        float cell = area.Width / SceneLayout.CellsPerSide;
        using SKPaint frame = new() { Color = color, Style = SKPaintStyle.Stroke, StrokeWidth = width };
        if (question.Quadrant >= 0)
            _canvas.DrawRect(Part(question.Quadrant / 2 * 2, question.Quadrant % 2 * 2, SceneLayout.QuadrantSide),
                frame);
        else if (question.Cell < 0)
            _canvas.DrawRect(Part(0, 0, SceneLayout.CellsPerSide), frame);
        foreach (int place in new[] { question.Cell, question.OtherCell }.Where(place => place >= 0))
            _canvas.DrawRect(Part(place / SceneLayout.CellsPerSide, place % SceneLayout.CellsPerSide, 1), frame);

        SKRect Part(int row, int column, int cells) => SKRect.Create(area.Left + (column * cell) + 2,
            area.Top + (row * cell) + 2, (cells * cell) - 4, (cells * cell) - 4);
    }

    private void DrawCells(SKRect area)
    {
        using SKPaint line = new() { Color = SKColors.White.WithAlpha(70), StrokeWidth = 1 };
        float cell = area.Width / SceneLayout.CellsPerSide;
        for (int index = 1; index < SceneLayout.CellsPerSide; index++)
        {
            _canvas.DrawLine(area.Left + (index * cell), area.Top, area.Left + (index * cell), area.Bottom, line);
            _canvas.DrawLine(area.Left, area.Top + (index * cell), area.Right, area.Top + (index * cell), line);
        }
    }

    // The blacks of the picture are dark grey; here they are black again.
    private void DrawPicture(SKRect area, float brightness)
    {
        const float Black = ScenePicture.Black / 255;
        float scale = brightness / (1 - Black);
        float shift = -Black * scale;
        using SKPaint paint = new()
        {
            ColorFilter = SKColorFilter.CreateColorMatrix(
            [
                scale, 0, 0, 0, shift,
                0, scale, 0, 0, shift,
                0, 0, scale, 0, shift,
                0, 0, 0, 1, 0,
            ]),
        };
        using SKImage image = SKImage.FromBitmap(_picture);
        _canvas.DrawImage(image, area, new SKSamplingOptions(SKFilterMode.Nearest), paint);
    }

    private void Fill(SKRect area, SKColor color)
    {
        using SKPaint paint = new() { Color = color };
        _canvas.DrawRect(area, paint);
    }

    private void Text(string text, int x, int y, int scale, SKColor color)
        => PixelFont.Draw(_canvas, PixelFont.Fit(text, scale, Width - Margin - x), x, y, scale, color);

    private static SKRect Square(int x, int y, int side) => SKRect.Create(x, y, side, side);
}
