namespace MsResampler.Server.Hosting.Configuration;

/// <summary>The names of models in the protocol, where they are parts of paths and labels of metrics.</summary>
internal static class ModelNames
{
    /// <summary>The largest length.</summary>
    public const int MaxLength = 128;

    /// <summary>What is expected, for errors.</summary>
    public const string Expected = "a name of letters, digits, '-', '_' and '.', with at most 128 characters";

    /// <summary>Whether a character may be in a name.</summary>
    public static bool IsAllowed(char character)
        => char.IsAsciiLetterOrDigit(character) || character is '-' or '_' or '.';

    /// <summary>Separates <c>NAME=VALUE</c>.</summary>
    /// <returns>The name, or null if the text has none; and the value. A text whose part before the first '=' is not a
    /// name is a value, such as a path.</returns>
    public static (string? Name, string Value) Split(string text)
    {
        int end = text.IndexOf('=', StringComparison.Ordinal);
        return end > 0 && SettingValue.IsModelName(text[..end]) ? (text[..end], text[(end + 1)..]) : (null, text);
    }

    /// <summary>The name of a model without one: that of its folder, or of its file without the extension.</summary>
    /// <returns>The name; null if it has none that is allowed.</returns>
    public static string? Of(string path)
    {
        string full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        string name = File.Exists(full) ? Path.GetFileNameWithoutExtension(full) : Path.GetFileName(full);
        return SettingValue.IsModelName(name) ? name : null;
    }
}
