using System.Globalization;

namespace MsResampler.Cli.Display;

/// <summary>Describes scopes in words.</summary>
internal static class ScopeText
{
    /// <summary>Describes a scope's prior, such as "gaussian, sigma 4x4 patches; window 12x12 patches, clip".</summary>
    public static string Describe(ScopeConfig scope)
    {
        string unit = scope.Units == ScopeUnits.Fraction ? " of the grid" : " patches";
        List<string> parts = [];
        if (scope.Prior is not (ScopePrior.None or ScopePrior.Window))
        {
            parts.Add(scope.Prior.ToString().ToLowerInvariant()
                + (scope.Sigma is { } sigma ? $", sigma {Extents(sigma)}{unit}" : ""));
        }

        if (scope.Window is { } window)
            parts.Add($"window {Extents(window)}{unit}, " +
            $"{(scope.Border == WindowBorder.Shift ? "shift" : "clip")}");
        return parts.Count == 0 ? "sees every patch" : string.Join("; ", parts);
    }

    private static string Extents(AxisPair pair) => $"{Extent(pair.Rows)}x{Extent(pair.Columns)}";

    private static string Extent(double extent)
        => extent.ToString(extent < 0.001 ? "0.##e-0" : "0.###", CultureInfo.InvariantCulture);
}
