namespace PtxEmulator.Parsing;

internal abstract record Operand;

/// <summary>A virtual register.</summary>
internal sealed record RegisterOperand(Register Register) : Operand;

/// <summary>A predefined register, such as <c>%tid.x</c>.</summary>
internal sealed record SpecialOperand(string Name) : Operand;

/// <summary>A literal. <paramref name="Bits"/> is its encoding in <paramref name="Type"/>: s64, f32 or f64.</summary>
internal sealed record ImmediateOperand(ulong Bits, PtxType Type) : Operand;

/// <summary>The address of a variable.</summary>
internal sealed record VariableOperand(Variable Variable, long Offset) : Operand;

/// <summary>A label, a function or a list of branch targets.</summary>
internal sealed record NameOperand(string Name) : Operand;

/// <summary><c>[base + offset]</c>.</summary>
internal sealed record AddressOperand(Operand Base, long Offset) : Operand;

/// <summary><c>{a, b, ...}</c>.</summary>
internal sealed record VectorOperand(IReadOnlyList<Operand> Elements) : Operand;

/// <summary><c>(a, b, ...)</c> in a call.</summary>
internal sealed record ListOperand(IReadOnlyList<Operand> Elements) : Operand;

/// <summary><c>a|b</c>.</summary>
internal sealed record PairOperand(Operand First, Operand Second) : Operand;

/// <summary><c>!p</c>.</summary>
internal sealed record NegatedOperand(Operand Operand) : Operand;

/// <summary><c>_</c>: a discarded result.</summary>
internal sealed record SinkOperand : Operand;
