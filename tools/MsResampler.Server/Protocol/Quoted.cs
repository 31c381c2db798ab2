namespace MsResampler.Server.Protocol;

/// <summary>Texts of a client in messages.</summary>
internal static class Quoted
{
    private const int LongestText = 80;

    /// <summary>The text in quotation marks, shortened if it is long.</summary>
    public static string Of(string text)
        => text.Length <= LongestText ? $"'{text}'" : $"'{text[..LongestText]}…' ({text.Length} characters)";

    /// <summary>Names in quotation marks, as in "a", "b" or "c".</summary>
    /// <param name="names">The names, at least one.</param>
    /// <param name="last">The word before the last one.</param>
    public static string List(IEnumerable<string> names, string last = "or")
    {
        string[] all = [.. names.Select(name => $"'{name}'")];
        return all.Length == 1 ? all[0] : $"{string.Join(", ", all[..^1])} {last} {all[^1]}";
    }
}
