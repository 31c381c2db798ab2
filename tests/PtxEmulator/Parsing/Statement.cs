namespace PtxEmulator.Parsing;

/// <summary>One instruction of the PTX text.</summary>
internal sealed class Statement
{
    /// <summary>The opcode with all its modifiers.</summary>
    public required string Opcode { get; init; }

    /// <summary>The parts of the opcode between the dots.</summary>
    public required string[] Parts { get; init; }

    public required IReadOnlyList<Operand> Operands { get; init; }

    public Operand? Guard { get; init; }

    public required int Line { get; init; }

    public required string Text { get; init; }

    public string Name => Parts[0];

    public bool Has(string modifier) => Array.IndexOf(Parts, modifier, 1) > 0;

    /// <summary>The last modifier that is a type.</summary>
    public PtxType Type
    {
        get
        {
            for (int part = Parts.Length - 1; part > 0; part--)
            {
                if (PtxType.TryParse(Parts[part], out PtxType type))
                    return type;
            }
            throw Error("a type was expected among the modifiers");
        }
    }

    /// <summary>All type modifiers, in order.</summary>
    public IReadOnlyList<PtxType> Types
    {
        get
        {
            var types = new List<PtxType>();
            foreach (string part in Parts.Skip(1))
            {
                if (PtxType.TryParse(part, out PtxType type))
                    types.Add(type);
            }
            return types;
        }
    }

    public PtxParseException Error(string detail) => new(Line, Text, detail);

    public PtxParseException Unknown() => Error($"the instruction '{Opcode}' is not supported");

    /// <summary>Checks the number of operands.</summary>
    public void Expect(int least, int most)
    {
        if (Operands.Count < least || Operands.Count > most)
        {
            throw Error($"expected {(least == most ? $"{least}" : $"{least} to {most}")} operands, "
                + $"found {Operands.Count}");
        }
    }

    /// <summary>Checks that one of the modifiers is present.</summary>
    public void RequireOneOf(params ReadOnlySpan<string> modifiers)
    {
        foreach (string modifier in modifiers)
        {
            if (Has(modifier))
                return;
        }
        throw Error($"'{Opcode}' needs one of .{string.Join(", .", modifiers)}");
    }

    /// <summary>Checks that there are no other modifiers; types are always allowed.</summary>
    public void Allow(params ReadOnlySpan<string> modifiers)
    {
        foreach (string part in Parts.AsSpan(1))
        {
            if (!PtxType.TryParse(part, out _) && !modifiers.Contains(part))
                throw Error($"the modifier '.{part}' of '{Name}' is not supported");
        }
    }
}
