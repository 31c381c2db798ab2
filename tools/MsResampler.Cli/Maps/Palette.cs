using SkiaSharp;

namespace MsResampler.Cli.Maps;

/// <summary>The colours of maps.</summary>
internal static class Palette
{
    public static readonly SKColor Background = new(20, 21, 26);
    public static readonly SKColor Text = new(236, 236, 236);
    public static readonly SKColor FaintText = new(160, 162, 170);
    public static readonly SKColor Empty = new(58, 60, 68);

    // The colours of Okabe and Ito, which people with colour blindness can distinguish.
    private static readonly SKColor[] s_scopes =
    [
        new(230, 159, 0), new(86, 180, 233), new(0, 158, 115), new(204, 121, 167),
        new(240, 228, 66), new(213, 94, 0), new(0, 114, 178), new(170, 170, 170),
    ];

    // From dark violet over red to pale yellow; each step is lighter.
    private static readonly SKColor[] s_heat =
    [
        new(10, 7, 34), new(66, 10, 104), new(120, 28, 109), new(165, 44, 96), new(207, 68, 70),
        new(237, 105, 37), new(251, 155, 6), new(247, 209, 61), new(252, 255, 164),
    ];

    /// <summary>The colour of a scope.</summary>
    public static SKColor Scope(int scopeIndex) => s_scopes[scopeIndex % s_scopes.Length];

    /// <summary>The colour of a value from 0 to 1 in a heat map.</summary>
    public static SKColor Heat(double heat)
    {
        double position = Math.Clamp(heat, 0, 1) * (s_heat.Length - 1);
        int index = Math.Min((int)position, s_heat.Length - 2);
        double share = position - index;
        (SKColor low, SKColor high) = (s_heat[index], s_heat[index + 1]);
        return new SKColor(Mix(low.Red, high.Red), Mix(low.Green, high.Green), Mix(low.Blue, high.Blue));

        byte Mix(byte from, byte to) => (byte)(from + ((to - from) * share) + 0.5);
    }
}
