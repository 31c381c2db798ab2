namespace PtxEmulator.Parsing;

internal enum TokenKind
{
    /// <summary>A name, directive, opcode or register, including its dots.</summary>
    Word,
    Number,
    String,
    Punctuation,
    End,
}

/// <param name="Kind">The kind of token.</param>
/// <param name="Text">The characters.</param>
/// <param name="Line">The line, counted from 1.</param>
/// <param name="Start">The position in the source.</param>
internal readonly record struct Token(TokenKind Kind, string Text, int Line, int Start)
{
    public int End => Start + Text.Length;
}
