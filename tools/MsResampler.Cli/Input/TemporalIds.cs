using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.Json;

namespace MsResampler.Cli.Input;

/// <summary>The value of <c>--temporal-ids</c>: a list for each group, with an id for each of its frames.</summary>
internal static class TemporalIds
{
    private const int MaxShownLength = 60;

    /// <summary>Reads lists such as <c>[[-1],[2,6,9]]</c>.</summary>
    /// <param name="text">The text, JSON.</param>
    /// <param name="ids">The ids of each group; there is at least one group, and each has at least one frame.</param>
    /// <param name="problem">What was expected and found, if the result is false.</param>
    public static bool TryParse(string text, [NotNullWhen(true)] out int[][]? ids,
        [NotNullWhen(false)] out string? problem)
    {
        ids = null;
        try
        {
            using JsonDocument document = JsonDocument.Parse(text);
            problem = Read(document.RootElement, out ids);
        }
        catch (JsonException)
        {
            problem = $"expected lists of ids in JSON, such as [[-1],[2,6,9]], found '{Shorten(text)}'";
        }

        return problem is null;
    }

    private static string? Read(JsonElement root, out int[][] ids)
    {
        ids = [];
        if (root.ValueKind != JsonValueKind.Array || root.GetArrayLength() == 0)
            return $"expected a list for each group, such as [[-1],[2,6,9]], found {Shorten(root.GetRawText())}";
        List<int[]> groups = [];
        foreach (JsonElement list in root.EnumerateArray())
        {
            string name = string.Create(CultureInfo.InvariantCulture, $"list {groups.Count}");
            if (list.ValueKind == JsonValueKind.Number)
                return $"expected a list for each group, such as [[2,6,9]] for one group, found " +
                    Shorten(root.GetRawText());
            if (list.ValueKind != JsonValueKind.Array || list.GetArrayLength() == 0)
                return $"{name}: expected a list with an id for each frame, such as [2,6,9], found " +
                    Shorten(list.GetRawText());
            int[] group = new int[list.GetArrayLength()];
            foreach ((int index, JsonElement id) in list.EnumerateArray().Index())
            {
                if (id.ValueKind != JsonValueKind.Number || !id.TryGetInt32(out group[index]) || group[index] < -1)
                {
                    return string.Create(CultureInfo.InvariantCulture, $"{name}, id {index}: expected a whole number " +
                        $"from 0 to {int.MaxValue}, or -1 for a frame without a time, found ") +
                        Shorten(id.GetRawText());
                }
            }

            groups.Add(group);
        }

        ids = [.. groups];
        return null;
    }

    private static string Shorten(string text)
    {
        string line = string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        return line.Length <= MaxShownLength ? line : line[..MaxShownLength] + "...";
    }
}
