using SkiaSharp;

namespace MsResampler.Cli.Maps;

/// <summary>Draws the picture of the demo: a sunset over mountains, a lake and a cabin.</summary>
internal static class DemoPicture
{
    private const int Width = 896;
    private const int Height = 672;
    private const int Shore = 430;

    /// <summary>Draws the picture. Returns a PNG file.</summary>
    public static byte[] Draw()
    {
        using SKBitmap bitmap = new(Width, Height, SKColorType.Rgba8888, SKAlphaType.Opaque);
        using (SKCanvas canvas = new(bitmap))
        {
            DrawSky(canvas);
            DrawRidge(canvas, 330, 120, 0.9, new SKColor(124, 98, 140));
            DrawRidge(canvas, 380, 80, 2.3, new SKColor(84, 72, 118));
            DrawLake(canvas);
            DrawShore(canvas);
            DrawCabin(canvas, 610, 470);
            foreach ((int x, int y, int height) in (ReadOnlySpan<(int, int, int)>)
                [(60, 560, 250), (150, 600, 310), (255, 575, 190), (800, 590, 230), (865, 620, 330)])
                DrawFir(canvas, x, y, height);
        }

        using SKData data = bitmap.Encode(SKEncodedImageFormat.Png, quality: 100);
        return data.ToArray();
    }

    private static void DrawSky(SKCanvas canvas)
    {
        using SKPaint sky = Gradient(0, Shore, new SKColor(38, 58, 112), new SKColor(226, 120, 92),
            new SKColor(255, 208, 128));
        canvas.DrawRect(0, 0, Width, Shore, sky);
        using SKPaint glow = new()
        {
            Shader = SKShader.CreateRadialGradient(new SKPoint(300, 250), 200,
                [new SKColor(255, 244, 200, 220), new SKColor(255, 220, 150, 0)], SKShaderTileMode.Clamp),
        };
        canvas.DrawCircle(300, 250, 200, glow);
        using SKPaint sun = Fill(new SKColor(255, 250, 224));
        canvas.DrawCircle(300, 250, 54, sun);
        using SKPaint cloud = Fill(new SKColor(255, 232, 220, 150));
        foreach ((int x, int y, int width) in (ReadOnlySpan<(int, int, int)>)
            [(520, 110, 190), (600, 132, 230), (90, 150, 150), (690, 210, 130)])
            canvas.DrawRoundRect(x, y, width, 18, 9, 9, cloud);
    }

    private static void DrawRidge(SKCanvas canvas, int baseline, int height, double phase, SKColor color)
    {
        using SKPathBuilder builder = new();
        builder.MoveTo(0, Shore);
        for (int x = 0; x <= Width; x += 4)
        {
            double wave = Math.Abs(Math.Sin((x / 130.0) + phase))
                + (0.35 * Math.Abs(Math.Sin((x / 47.0) + (2 * phase))))
                + (0.1 * Math.Sin(x / 11.0));
            builder.LineTo(x, (float)(baseline - (height * (wave - 0.5))));
        }

        builder.LineTo(Width, Shore);
        builder.Close();
        using SKPaint paint = Fill(color);
        using SKPath path = builder.Detach();
        canvas.DrawPath(path, paint);
    }

    private static void DrawLake(SKCanvas canvas)
    {
        using SKPaint water = Gradient(Shore, Height, new SKColor(236, 168, 120), new SKColor(120, 96, 140),
            new SKColor(34, 50, 92));
        canvas.DrawRect(0, Shore, Width, Height - Shore, water);
        using SKPaint glint = Fill(new SKColor(255, 244, 206, 170));
        for (int row = 0; row < 11; row++)
            canvas.DrawRoundRect(300 - 70 + (row * 5) + (13 * (row % 3)), Shore + 10 + (row * 15),
                120 - (row * 9), 5, 2, 2, glint);
    }

    private static void DrawShore(SKCanvas canvas)
    {
        using SKPathBuilder builder = new();
        builder.MoveTo(0, Height);
        builder.LineTo(0, 560);
        builder.QuadTo(260, 610, 400, 610);
        builder.QuadTo(470, 500, Width, 520);
        builder.LineTo(Width, Height);
        builder.Close();
        using SKPaint paint = Gradient(500, Height, new SKColor(64, 92, 58), new SKColor(44, 66, 46),
            new SKColor(20, 34, 28));
        using SKPath path = builder.Detach();
        canvas.DrawPath(path, paint);
    }

    private static void DrawCabin(SKCanvas canvas, int x, int y)
    {
        using SKPaint wall = Fill(new SKColor(110, 66, 44));
        canvas.DrawRect(x, y, 130, 76, wall);
        using SKPaint roof = Fill(new SKColor(66, 34, 34));
        DrawTriangle(canvas, roof, x - 18, y + 2, x + 65, y - 62, x + 148, y + 2);
        using SKPaint light = Fill(new SKColor(255, 222, 110));
        canvas.DrawRect(x + 20, y + 20, 30, 28, light);
        using SKPaint door = Fill(new SKColor(60, 34, 26));
        canvas.DrawRect(x + 78, y + 22, 28, 54, door);
    }

    private static void DrawFir(SKCanvas canvas, int x, int y, int height)
    {
        using SKPaint trunk = Fill(new SKColor(50, 34, 28));
        canvas.DrawRect(x - (height / 30f), y - (height / 8f), height / 15f, height / 8f, trunk);
        using SKPaint needles = Fill(new SKColor(18, 48, 44));
        for (int tier = 0; tier < 4; tier++)
        {
            float top = y - height + (tier * height * 0.19f);
            float half = height * (0.1f + (tier * 0.05f));
            DrawTriangle(canvas, needles, x - half, top + (height * 0.31f), x, top, x + half,
                top + (height * 0.31f));
        }
    }

    private static void DrawTriangle(SKCanvas canvas, SKPaint paint, float x0, float y0, float x1, float y1,
        float x2, float y2)
    {
        using SKPathBuilder builder = new();
        builder.MoveTo(x0, y0);
        builder.LineTo(x1, y1);
        builder.LineTo(x2, y2);
        builder.Close();
        using SKPath path = builder.Detach();
        canvas.DrawPath(path, paint);
    }

    private static SKPaint Fill(SKColor color) => new() { Color = color, IsAntialias = true };

    private static SKPaint Gradient(float top, float bottom, params SKColor[] colors) => new()
    {
        IsAntialias = true,
        Shader = SKShader.CreateLinearGradient(new SKPoint(0, top), new SKPoint(0, bottom), colors,
            SKShaderTileMode.Clamp),
    };
}
