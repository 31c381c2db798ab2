using System.Globalization;

namespace MsResampler.Cli.Display;

/// <summary>Formats numbers for people.</summary>
internal static class Quantity
{
    /// <summary>A whole number with thousands separators, such as 1,234,567.</summary>
    public static string Count(long value) => value.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>A number with a decimal prefix, such as "12.3 G".</summary>
    public static string Scaled(double value) => value switch
    {
        >= 1e12 => Digits(value / 1e12) + " T",
        >= 1e9 => Digits(value / 1e9) + " G",
        >= 1e6 => Digits(value / 1e6) + " M",
        >= 1e3 => Digits(value / 1e3) + " k",
        _ => Digits(value) + " ",
    };

    /// <summary>A duration in s, ms or µs.</summary>
    public static string Duration(TimeSpan time) => time.TotalSeconds switch
    {
        >= 1 => Digits(time.TotalSeconds) + " s",
        >= 1e-3 => Digits(time.TotalMilliseconds) + " ms",
        _ => Digits(time.TotalMicroseconds) + " µs",
    };

    /// <summary>An error with two significant digits in scientific notation, or 0.</summary>
    public static string Error(double value) => value == 0
        ? "0"
        : value.ToString("0.0e-00", CultureInfo.InvariantCulture);

    /// <summary>A share in percent, without decimals.</summary>
    public static string Percent(double share)
        => (share * 100).ToString("0", CultureInfo.InvariantCulture) + "%";

    /// <summary>A number with two decimals below 10, one decimal below 100, and none above.</summary>
    public static string Digits(double value) => value switch
    {
        >= 100 => value.ToString("N0", CultureInfo.InvariantCulture),
        >= 10 => value.ToString("0.0", CultureInfo.InvariantCulture),
        _ => value.ToString("0.00", CultureInfo.InvariantCulture),
    };
}
