namespace PtxEmulator.Parsing;

/// <summary>Parses the body of a function.</summary>
internal sealed class FunctionParser(TokenReader reader, OperandParser operands, DeclarationParser declarations,
    Function function)
{
    public void ParseBody(Scope scope)
    {
        reader.Expect("{");
        while (!reader.TryTake("}"))
        {
            if (reader.IsAtEnd)
                throw reader.Error("expected '}'");
            if (reader.IsNext("{"))
                ParseBody(new Scope(scope));
            else if (reader.Peek.Kind == TokenKind.Word && reader.PeekSecond.Text == ":")
                ParseLabel();
            else if (reader.Peek.Text.StartsWith('.'))
                ParseDirective(scope);
            else if (!reader.TryTake(";"))
                function.Body.Add(ParseStatement(scope));
        }
    }

    private void ParseLabel()
    {
        string label = reader.Take().Text;
        reader.Expect(":");
        if (!reader.TryTake(".branchtargets"))
        {
            if (!function.Labels.TryAdd(label, function.Body.Count))
                throw reader.Error($"the label '{label}' is defined twice");
            return;
        }
        var targets = new List<string>();
        do
            targets.Add(reader.ExpectWord());
        while (reader.TryTake(","));
        reader.Expect(";");
        function.BranchTargets[label] = [.. targets];
    }

    private void ParseDirective(Scope scope)
    {
        string directive = reader.Peek.Text;
        switch (directive)
        {
            case ".loc" or ".file" or ".pragma":
                reader.SkipStatement();
                break;
            case ".reg":
                reader.Take();
                declarations.ParseRegisters(scope);
                break;
            default:
                if (!DeclarationParser.TryGetSpace(directive, out StateSpace space))
                    throw reader.Error("expected a directive or an instruction");
                reader.Take();
                // Parameters of calls are private to a thread, so they are stored with its local variables.
                declarations.ParseVariables(space == StateSpace.Parameter ? StateSpace.Local : space, false, scope);
                break;
        }
    }

    private Statement ParseStatement(Scope scope)
    {
        Token first = reader.Peek;
        Operand? guard = null;
        if (reader.TryTake("@"))
            guard = operands.Parse(scope);
        string opcode = reader.ExpectWord();
        var parsed = new List<Operand>();
        while (!reader.IsNext(";"))
        {
            if (parsed.Count > 0)
                reader.Expect(",");
            parsed.Add(operands.Parse(scope));
        }
        string text = reader.TextFrom(first);
        reader.Expect(";");
        string[] parts = opcode.Split('.');
        return new Statement
        {
            Opcode = opcode,
            Parts = parts,
            Operands = parsed,
            Guard = guard,
            Line = first.Line,
            Text = text + ";",
        };
    }
}
