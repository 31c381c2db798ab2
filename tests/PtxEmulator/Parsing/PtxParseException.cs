namespace PtxEmulator;

/// <summary>The text is not valid PTX, or the emulator does not support it.</summary>
public sealed class PtxParseException : Exception
{
    public PtxParseException()
    {
    }

    public PtxParseException(string message)
        : base(message)
    {
    }

    public PtxParseException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    internal PtxParseException(int line, string text, string detail)
        : base($"Line {line}: {detail}\n  {text}")
    {
        Line = line;
        Text = text;
    }

    /// <summary>The line in the PTX text, counted from 1.</summary>
    public int Line { get; }

    /// <summary>The statement with the error.</summary>
    public string Text { get; } = "";
}
