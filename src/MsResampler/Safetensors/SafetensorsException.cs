using System.Text;

namespace MsResampler.Safetensors;

/// <summary>The exception for a checkpoint that is invalid or unreadable. The message names the file and, where
/// there is one, the tensor, and says what was expected and what was found.</summary>
public sealed class SafetensorsException : Exception
{
    private const int MaxQuotedLength = 120;

    internal SafetensorsException(SafetensorsError error, string source, string problem,
        Exception? inner = null)
        : base($"{source}: {problem}", inner)
        => (Error, SourcePath, Problem) = (error, source, problem);

    /// <summary>The kind of error.</summary>
    public SafetensorsError Error { get; }

    /// <summary>The file or folder that caused the error.</summary>
    public string SourcePath { get; }

    /// <summary>The message without <see cref="SourcePath"/>.</summary>
    internal string Problem { get; }

    /// <summary>Quotes untrusted text for a message: at most 120 characters, control characters escaped.</summary>
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
