using System.CommandLine.Parsing;
using System.Globalization;

namespace MsResampler.Perf.Models;

/// <summary>Parses a patch grid, such as 24x24, on the command line.</summary>
internal static class GridText
{
    public static PatchGrid Parse(ArgumentResult result)
    {
        string[] sides = result.Tokens[0].Value.Split('x');
        if (sides.Length == 2 && int.TryParse(sides[0], NumberStyles.None, CultureInfo.InvariantCulture, out int rows)
            && int.TryParse(sides[1], NumberStyles.None, CultureInfo.InvariantCulture, out int columns)
            && rows > 0 && columns > 0)
        {
            return new PatchGrid(rows, columns);
        }

        result.AddError($"grid: expected rows x columns such as 24x24, found '{result.Tokens[0].Value}'");
        return default;
    }
}
