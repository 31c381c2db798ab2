namespace PtxEmulator;

/// <summary>Text that is not PTX, or PTX that this emulator does not know.</summary>
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

    /// <summary>The line in the PTX text, from 1.</summary>
    public int Line { get; }

    /// <summary>The statement at fault.</summary>
    public string Text { get; } = "";
}
