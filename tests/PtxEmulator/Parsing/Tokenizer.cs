namespace PtxEmulator.Parsing;

/// <summary>Splits PTX into tokens; comments and white space are dropped.</summary>
internal sealed class Tokenizer(string source)
{
    private int _position;
    private int _line = 1;

    public static List<Token> Tokenize(string source)
    {
        var tokenizer = new Tokenizer(source);
        var tokens = new List<Token>();
        do
            tokens.Add(tokenizer.Next());
        while (tokens[^1].Kind != TokenKind.End);
        return tokens;
    }

    private Token Next()
    {
        SkipBlanks();
        if (_position == source.Length)
            return new Token(TokenKind.End, "", _line, _position);
        char first = source[_position];
        int start = _position;
        if (first == '"')
        {
            int end = source.IndexOf('"', start + 1);
            if (end < 0)
                throw new PtxParseException(_line, source[start..], "the string has no closing quote");
            return Take(TokenKind.String, end + 1);
        }
        if (char.IsAsciiDigit(first))
            return Take(TokenKind.Number, EndOfNumber(start));
        if (IsWordStart(first))
            return Take(TokenKind.Word, EndOfWord(start));
        return Take(TokenKind.Punctuation, start + 1);
    }

    private Token Take(TokenKind kind, int end)
    {
        int start = _position;
        _position = end;
        return new Token(kind, source[start..end], _line, start);
    }

    private int EndOfWord(int end)
    {
        while (end < source.Length)
        {
            if (IsWordStart(source[end]) || char.IsAsciiDigit(source[end]))
                end++;
            else if (source[end] == ':' && end + 1 < source.Length && source[end + 1] == ':')
                end += 2;
            else
                break;
        }
        return end;
    }

    private int EndOfNumber(int start)
    {
        bool isHexadecimal = source[start] == '0' && start + 1 < source.Length
            && source[start + 1] is 'x' or 'X' or 'f' or 'F' or 'd' or 'D' or 'b' or 'B';
        int end = start + (isHexadecimal ? 2 : 1);
        while (end < source.Length)
        {
            char next = source[end];
            bool isExponentSign = !isHexadecimal && next is '+' or '-' && source[end - 1] is 'e' or 'E';
            if (!char.IsAsciiLetterOrDigit(next) && (isHexadecimal || next != '.') && !isExponentSign)
                break;
            end++;
        }
        return end;
    }

    private void SkipBlanks()
    {
        while (_position < source.Length)
        {
            char next = source[_position];
            if (next == '\n')
                _line++;
            if (char.IsWhiteSpace(next))
                _position++;
            else if (source.AsSpan(_position).StartsWith("//"))
                SkipTo(source.IndexOf('\n', _position));
            else if (source.AsSpan(_position).StartsWith("/*"))
                SkipComment();
            else
                return;
        }
    }

    private void SkipComment()
    {
        int end = source.IndexOf("*/", _position + 2, StringComparison.Ordinal);
        if (end < 0)
            throw new PtxParseException(_line, source[_position..].Split('\n')[0], "the comment has no end");
        SkipTo(end + 2);
    }

    private void SkipTo(int end)
    {
        if (end < _position)
            end = source.Length;
        _line += source.AsSpan(_position, end - _position).Count('\n');
        _position = end;
    }

    private static bool IsWordStart(char c) => char.IsAsciiLetter(c) || c is '_' or '$' or '%' or '.';
}
