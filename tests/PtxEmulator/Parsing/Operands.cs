namespace PtxEmulator.Parsing;

internal abstract record Operand
{
    /// <summary>The registers in the operand.</summary>
    public virtual IEnumerable<Register> Registers => [];
}

/// <summary>A virtual register.</summary>
internal sealed record RegisterOperand(Register Register) : Operand
{
    public override IEnumerable<Register> Registers => [Register];
}

/// <summary>A predefined register, such as <c>%tid.x</c>.</summary>
internal sealed record SpecialOperand(string Name) : Operand;

/// <summary>A literal. <paramref name="Bits"/> is its encoding in <paramref name="Type"/>: s64, f32 or f64.</summary>
internal sealed record ImmediateOperand(ulong Bits, PtxType Type) : Operand;

/// <summary>The address of a variable.</summary>
internal sealed record VariableOperand(Variable Variable, long Offset) : Operand;

/// <summary>A label, a function or a list of branch targets.</summary>
internal sealed record NameOperand(string Name) : Operand;

/// <summary><c>[base + offset]</c>.</summary>
internal sealed record AddressOperand(Operand Base, long Offset) : Operand
{
    public override IEnumerable<Register> Registers => Base.Registers;
}

/// <summary><c>{a, b, ...}</c>.</summary>
internal sealed record VectorOperand(IReadOnlyList<Operand> Elements) : Operand
{
    public override IEnumerable<Register> Registers => Elements.SelectMany(element => element.Registers);
}

/// <summary><c>(a, b, ...)</c> in a call.</summary>
internal sealed record ListOperand(IReadOnlyList<Operand> Elements) : Operand
{
    public override IEnumerable<Register> Registers => Elements.SelectMany(element => element.Registers);
}

/// <summary><c>a|b</c>.</summary>
internal sealed record PairOperand(Operand First, Operand Second) : Operand
{
    public override IEnumerable<Register> Registers => First.Registers.Concat(Second.Registers);
}

/// <summary><c>!p</c>.</summary>
internal sealed record NegatedOperand(Operand Operand) : Operand
{
    public override IEnumerable<Register> Registers => Operand.Registers;
}

/// <summary><c>_</c>: a discarded result.</summary>
internal sealed record SinkOperand : Operand;
