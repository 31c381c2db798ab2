namespace MsResampler.Gguf;

/// <summary>The exception for a GGUF file that is invalid or unreadable. The message names the file and, where there is
/// one, the field or tensor, and says what was expected and what was found.</summary>
public sealed class GgufException : Exception
{
    internal GgufException(GgufError error, string source, string problem)
        : base($"{source}: {problem}") => (Error, SourcePath) = (error, source);

    /// <summary>The kind of error.</summary>
    public GgufError Error { get; }

    /// <summary>The file that caused the error.</summary>
    public string SourcePath { get; }
}
