using SkiaSharp;

namespace MsResampler.Cli.Maps;

/// <summary>A 5×8 bitmap font for printable ASCII. Labels are the same on every machine, even without fonts.</summary>
internal static class PixelFont
{
    private const int GlyphWidth = 5;
    private const int GlyphHeight = 8;
    private const char First = ' ';
    private const char Last = '~';

    /// <summary>The height of a line, including the space below it, at scale 1.</summary>
    public const int LineHeight = GlyphHeight + 2;

    // Five columns per glyph with two hexadecimal digits each, from U+0020 on; the lowest bit is the top row.
    private const string Glyphs =
        "0000000000" + "00005F0000" + "0007000700" + "147F147F14" + "242A7F2A12" + "2313086462" +
        "3649552250" + "0005030000" + "001C224100" + "0041221C00" + "14083E0814" + "08083E0808" +
        "0050300000" + "0808080808" + "0060600000" + "2010080402" + "3E5149453E" + "00427F4000" +
        "4261514946" + "2141454B31" + "1814127F10" + "2745454539" + "3C4A494930" + "0171090503" +
        "3649494936" + "064949291E" + "0036360000" + "0056360000" + "0814224100" + "1414141414" +
        "0041221408" + "0201510906" + "324979413E" + "7E1111117E" + "7F49494936" + "3E41414122" +
        "7F4141221C" + "7F49494941" + "7F09090901" + "3E4149497A" + "7F0808087F" + "00417F4100" +
        "2040413F01" + "7F08142241" + "7F40404040" + "7F020C027F" + "7F0408107F" + "3E4141413E" +
        "7F09090906" + "3E4151215E" + "7F09192946" + "4649494931" + "01017F0101" + "3F4040403F" +
        "1F2040201F" + "3F4038403F" + "6314081463" + "0708700807" + "6151494543" + "007F414100" +
        "0204081020" + "0041417F00" + "0402010204" + "4040404040" + "0001020400" + "2054545478" +
        "7F48444438" + "3844444420" + "384444487F" + "3854545418" + "087E090102" + "18A4A4A47C" +
        "7F08040478" + "00447D4000" + "4080847D00" + "7F10284400" + "00417F4000" + "7C04180478" +
        "7C08040478" + "3844444438" + "FC24242418" + "18242418FC" + "7C08040408" + "4854545420" +
        "043F444020" + "3C4040207C" + "1C2040201C" + "3C4030403C" + "4428102844" + "1CA0A0A07C" +
        "4464544C44" + "0008364100" + "00007F0000" + "0041360800" + "1008081008";

    /// <summary>The width of a text, without the space after its last character.</summary>
    public static int Measure(string text, int scale)
        => Math.Max((text.Length * (GlyphWidth + 1)) - 1, 0) * scale;

    /// <summary>The text, shortened to fit a width.</summary>
    public static string Fit(string text, int scale, int width) => Measure(text, scale) <= width
        ? text
        : text[..Math.Max((width / scale + 1) / (GlyphWidth + 1) - 2, 0)] + "..";

    /// <summary>Draws a text with its upper left corner at (x, y). Characters that are not ASCII become '?'.</summary>
    public static void Draw(SKCanvas canvas, string text, int x, int y, int scale, SKColor color)
    {
        using SKPaint paint = new() { Color = color, IsAntialias = false };
        foreach (char character in text)
        {
            int glyph = 2 * GlyphWidth * ((character is >= First and <= Last ? character : '?') - First);
            for (int column = 0; column < GlyphWidth; column++)
            {
                int bits = Convert.ToInt32(Glyphs.Substring(glyph + (2 * column), 2), 16);
                for (int row = 0; row < GlyphHeight; row++)
                {
                    if ((bits >> row & 1) != 0)
                        canvas.DrawRect(x + (column * scale), y + (row * scale), scale, scale, paint);
                }
            }

            x += (GlyphWidth + 1) * scale;
        }
    }
}
