namespace MsResampler.Vision;

/// <summary>The filter functions of <see cref="Resampling"/>. Each operation is that of Pillow, in its order, because
/// a sum of another order has other bits.</summary>
internal static class ResamplingFilter
{
    private const double CubicA = -0.5;

    /// <summary>The largest distance, in pixels of the result, at which the filter is not 0.</summary>
    public static double SupportOf(Resampling resampling) => resampling switch
    {
        Resampling.Box => 0.5,
        Resampling.Bilinear or Resampling.Hamming => 1,
        Resampling.Bicubic => 2,
        Resampling.Lanczos => 3,
        _ => throw new ArgumentOutOfRangeException(nameof(resampling), resampling, null),
    };

    /// <summary>The value of the filter at a distance in pixels of the result.</summary>
    public static double ValueAt(Resampling resampling, double x) => resampling switch
    {
        Resampling.Box => x is > -0.5 and <= 0.5 ? 1 : 0,
        Resampling.Bilinear => Math.Abs(x) < 1 ? 1 - Math.Abs(x) : 0,
        Resampling.Hamming => Hamming(Math.Abs(x)),
        Resampling.Bicubic => Cubic(Math.Abs(x)),
        Resampling.Lanczos => x is >= -3 and < 3 ? Sinc(x) * Sinc(x / 3) : 0,
        _ => throw new ArgumentOutOfRangeException(nameof(resampling), resampling, null),
    };

    private static double Cubic(double x)
        => x < 1 ? ((((CubicA + 2) * x) - (CubicA + 3)) * x * x) + 1
            : x < 2 ? ((((x - 5) * x) + 8) * x - 4) * CubicA
            : 0;

    private static double Hamming(double x)
    {
        if (x == 0)
            return 1;
        if (x >= 1)
            return 0;
        x *= Math.PI;
        // Pillow has these constants in single precision.
        return Math.Sin(x) / x * (0.54f + (0.46f * Math.Cos(x)));
    }

    private static double Sinc(double x)
    {
        if (x == 0)
            return 1;
        x *= Math.PI;
        return Math.Sin(x) / x;
    }
}
