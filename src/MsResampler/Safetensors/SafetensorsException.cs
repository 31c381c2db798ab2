using System.Text;

namespace MsResampler.Safetensors;

/// <summary>A checkpoint that is not valid safetensors, or that holds what cannot be read.</summary>
public sealed class SafetensorsException : Exception
{
    private const int MaxQuotedLength = 120;

    internal SafetensorsException(SafetensorsError error, string source, string problem,
        Exception? inner = null)
        : base($"{source}: {problem}", inner)
    {
        Error = error;
        SourcePath = source;
        Problem = problem;
    }

    /// <summary>What is wrong.</summary>
    public SafetensorsError Error { get; }

    /// <summary>The file or folder at fault.</summary>
    public string SourcePath { get; }

    /// <summary>The message without <see cref="SourcePath"/>.</summary>
    internal string Problem { get; }

    /// <summary>Text from a file as it may be shown: within bounds, and without control characters.</summary>
    internal static string Quote(string text)
    {
        StringBuilder quoted = new("'");
        foreach (char character in text.AsSpan(0, Math.Min(text.Length, MaxQuotedLength)))
        {
            if (char.IsControl(character))
                quoted.Append($"\\u{(int)character:x4}");
            else
                quoted.Append(character);
        }

        return quoted.Append(text.Length > MaxQuotedLength ? "…'" : "'").ToString();
    }
}
