using System.Globalization;

namespace PtxEmulator.Parsing;

/// <summary>Parses operands.</summary>
internal sealed class OperandParser(TokenReader reader)
{
    private const int WarpSize = 32;
    private static readonly PtxType s_signed = new(PtxTypeKind.Signed, 64);
    private static readonly PtxType s_double = new(PtxTypeKind.Float, 64);

    public Operand Parse(Scope scope)
    {
        Operand operand = ParseSimple(scope);
        return reader.TryTake("|") ? new PairOperand(operand, ParseSimple(scope)) : operand;
    }

    public ImmediateOperand ParseImmediate()
    {
        bool isNegative = reader.TryTake("-");
        if (reader.Peek.Kind != TokenKind.Number)
            throw reader.Error("expected a number");
        string text = reader.Take().Text;
        if (text.StartsWith("0f", StringComparison.OrdinalIgnoreCase) && text.Length == 10)
        {
            uint bits = Convert.ToUInt32(text[2..], 16);
            return new ImmediateOperand(isNegative ? bits ^ 0x8000_0000 : bits, PtxType.F32);
        }
        if (text.StartsWith("0d", StringComparison.OrdinalIgnoreCase) && text.Length == 18)
        {
            ulong bits = Convert.ToUInt64(text[2..], 16);
            return new ImmediateOperand(isNegative ? bits ^ (1ul << 63) : bits, s_double);
        }
        bool isHexadecimal = text.StartsWith("0x", StringComparison.OrdinalIgnoreCase);
        if (!isHexadecimal && text.AsSpan().IndexOfAny('.', 'e', 'E') >= 0)
        {
            if (!double.TryParse(text, CultureInfo.InvariantCulture, out double value))
                throw reader.Error($"'{text}' is not a number");
            return new ImmediateOperand(BitConverter.DoubleToUInt64Bits(isNegative ? -value : value), s_double);
        }
        ulong integer = reader.ParseInteger(text);
        return new ImmediateOperand(isNegative ? 0 - integer : integer, s_signed);
    }

    private Operand ParseSimple(Scope scope)
    {
        if (reader.TryTake("!"))
            return new NegatedOperand(ParseSimple(scope));
        if (reader.TryTake("{"))
            return new VectorOperand(ParseList(scope, "}"));
        if (reader.TryTake("("))
            return new ListOperand(ParseList(scope, ")"));
        if (reader.TryTake("["))
            return ParseAddress(scope);
        if (reader.Peek.Kind == TokenKind.Number || reader.IsNext("-"))
            return ParseImmediate();
        return ParseName(scope);
    }

    private List<Operand> ParseList(Scope scope, string close)
    {
        var elements = new List<Operand>();
        while (!reader.TryTake(close))
        {
            if (elements.Count > 0)
                reader.Expect(",");
            elements.Add(ParseSimple(scope));
        }
        return elements;
    }

    private AddressOperand ParseAddress(Scope scope)
    {
        Operand address = reader.Peek.Kind == TokenKind.Number ? ParseImmediate() : ParseName(scope);
        long offset = 0;
        if (reader.TryTake("+"))
            offset = reader.ExpectInteger();
        else if (reader.IsNext("-"))
            offset = reader.ExpectInteger();
        reader.Expect("]");
        return new AddressOperand(address, offset);
    }

    private Operand ParseName(Scope scope)
    {
        string name = reader.ExpectWord();
        switch (name)
        {
            case "_":
                return new SinkOperand();
            case "WARP_SZ":
                return new ImmediateOperand(WarpSize, s_signed);
        }
        return scope.Find(name) switch
        {
            Register register => new RegisterOperand(register),
            Variable variable => ParseVariable(variable),
            _ when name[0] == '%' => new SpecialOperand(name),
            _ => new NameOperand(name),
        };
    }

    /// <summary>The address of a variable with an optional offset, outside brackets.</summary>
    private VariableOperand ParseVariable(Variable variable)
    {
        long offset = 0;
        bool hasOffset = reader.IsNext("+") && reader.PeekSecond.Kind == TokenKind.Number;
        if (hasOffset && reader.TryTake("+"))
            offset = reader.ExpectInteger();
        return new VariableOperand(variable, offset);
    }
}
