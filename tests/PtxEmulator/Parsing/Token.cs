namespace PtxEmulator.Parsing;

internal enum TokenKind
{
    /// <summary>A name, directive, opcode or register, with its dots.</summary>
    Word,
    Number,
    String,
    Punctuation,
    End,
}

/// <param name="Kind">What it is.</param>
/// <param name="Text">Its characters.</param>
/// <param name="Line">Its line, from 1.</param>
/// <param name="Start">Where it starts in the source.</param>
internal readonly record struct Token(TokenKind Kind, string Text, int Line, int Start)
{
    public int End => Start + Text.Length;
}
