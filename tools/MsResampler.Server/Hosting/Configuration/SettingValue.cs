using System.Globalization;
using System.Net;

namespace MsResampler.Server.Hosting.Configuration;

/// <summary>Reads the values of settings.</summary>
internal static class SettingValue
{
    private const int MaxExtent = 65_535;

    private static readonly (string Suffix, int Shift)[] s_units = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];

    /// <summary>Reads a whole number within a range.</summary>
    public static bool TryWhole(string text, long min, long max, out long value)
        => long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value)
            && value >= min && value <= max;

    /// <summary>Reads a number within a range.</summary>
    public static bool TryNumber(string text, double max, out double value)
        => double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out value)
            && value >= 0 && value <= max;

    /// <summary>Reads a number of bytes such as 1048576, 64MiB or 2GiB.</summary>
    public static bool TryBytes(string text, long min, out long value)
    {
        int shift = 0;
        foreach ((string suffix, int unit) in s_units)
        {
            if (!text.EndsWith(suffix, StringComparison.Ordinal))
                continue;
            (text, shift) = (text[..^suffix.Length], unit);
            break;
        }

        bool isWhole = long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long count)
            && count <= long.MaxValue >> shift;
        value = isWhole ? count << shift : 0;
        return isWhole && value >= min;
    }

    /// <summary>Whether a text is an address to listen on.</summary>
    public static bool IsAddress(string text) => text is "*" or "localhost" || IPAddress.TryParse(text, out _);

    /// <summary>Reads a patch grid such as 24x24.</summary>
    public static bool TryGrid(string text, out PatchGrid grid)
    {
        string[] parts = text.Split('x');
        grid = default;
        if (parts.Length != 2 || !TryWhole(parts[0], 1, MaxExtent, out long rows)
            || !TryWhole(parts[1], 1, MaxExtent, out long columns))
            return false;
        grid = new PatchGrid((int)rows, (int)columns);
        return true;
    }

    /// <summary>Whether a text can be a path.</summary>
    public static bool IsPath(string text) => text.Length > 0 && !text.Contains('\0', StringComparison.Ordinal);

    /// <summary>Whether a text can be the name of a header.</summary>
    public static bool IsHeader(string text) => text.Length > 0 && text.All(character
        => char.IsAsciiLetterOrDigit(character) || character is '-' or '_');

    /// <summary>Whether a text can be the name of a model.</summary>
    public static bool IsModelName(string text) => text.Length is > 0 and <= ModelNames.MaxLength
        && text.All(ModelNames.IsAllowed) && text.Any(character => character != '.');
}
