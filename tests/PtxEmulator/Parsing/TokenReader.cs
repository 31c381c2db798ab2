using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace PtxEmulator.Parsing;

/// <summary>Iterates over the tokens of a text.</summary>
internal sealed class TokenReader(string source)
{
    private readonly List<Token> _tokens = Tokenizer.Tokenize(source);
    private int _next;

    public Token Peek => _tokens[_next];

    public Token PeekSecond => _tokens[Math.Min(_next + 1, _tokens.Count - 1)];

    public bool IsAtEnd => Peek.Kind == TokenKind.End;

    public Token Take() => _tokens[IsAtEnd ? _next : _next++];

    public bool IsNext(string text) => Peek.Kind != TokenKind.String && Peek.Text == text;

    public bool TryTake(string text)
    {
        if (!IsNext(text))
            return false;
        _next++;
        return true;
    }

    public Token Expect(string text) => IsNext(text) ? Take() : throw Error($"expected '{text}'");

    public string ExpectWord() => Peek.Kind == TokenKind.Word ? Take().Text : throw Error("expected a name");

    public long ExpectInteger()
    {
        bool isNegative = TryTake("-");
        ulong value = Peek.Kind == TokenKind.Number ? ParseInteger(Take().Text) : throw Error("expected a number");
        return isNegative ? -(long)value : (long)value;
    }

    /// <summary>Skips everything up to and including a semicolon, or up to the end of the line.</summary>
    public void SkipStatement()
    {
        int line = Peek.Line;
        while (!IsAtEnd && Peek.Line == line)
        {
            if (Take().Text == ";")
                return;
        }
    }

    /// <summary>Skips a bracketed group at the current position.</summary>
    public void SkipGroup(string open, string close)
    {
        Expect(open);
        for (int depth = 1; depth > 0;)
        {
            if (IsAtEnd)
                throw Error($"expected '{close}'");
            Token token = Take();
            if (token.Kind != TokenKind.String)
                depth += token.Text == open ? 1 : token.Text == close ? -1 : 0;
        }
    }

    /// <summary>The text from a token to the last one taken, on one line.</summary>
    public string TextFrom(Token first)
    {
        int end = _next > 0 ? _tokens[_next - 1].End : 0;
        return string.Join(' ', source[first.Start..Math.Max(first.Start, end)]
            .Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
    }

    public PtxParseException Error(string detail)
        => new(Peek.Line, LineText(Peek.Line), IsAtEnd ? $"{detail}, found the end"
            : $"{detail}, found '{Peek.Text}'");

    public ulong ParseInteger(string text)
    {
        string digits = text.TrimEnd('U');
        bool isNumber = digits switch
        {
            ['0', 'x' or 'X', .. string rest] => ulong.TryParse(rest, NumberStyles.HexNumber,
                CultureInfo.InvariantCulture, out ulong _),
            ['0', 'b' or 'B', .. string rest] => rest.Length is > 0 and <= 64 && rest.All(c => c is '0' or '1'),
            _ => digits.All(char.IsAsciiDigit) && ulong.TryParse(digits, CultureInfo.InvariantCulture, out _),
        };
        if (!isNumber)
            ThrowNotANumber(text);
        return digits switch
        {
            ['0', 'x' or 'X', .. string rest] => Convert.ToUInt64(rest, 16),
            ['0', 'b' or 'B', .. string rest] => Convert.ToUInt64(rest, 2),
            ['0', _, ..] when digits.All(c => c is >= '0' and <= '7') => Convert.ToUInt64(digits, 8),
            _ => ulong.Parse(digits, CultureInfo.InvariantCulture),
        };
    }

    [DoesNotReturn]
    private void ThrowNotANumber(string text)
        => throw new PtxParseException(Peek.Line, LineText(Peek.Line), $"'{text}' is not an integer");

    private string LineText(int line) => source.Split('\n').ElementAtOrDefault(line - 1)?.Trim() ?? "";
}
