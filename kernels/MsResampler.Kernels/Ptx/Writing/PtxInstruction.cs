using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;

namespace MsResampler.Kernels.Ptx.Writing;

/// <summary>An instruction, or its operands, as an interpolated string of a <see cref="PtxWriter"/>. Registers of
/// another writer are refused.</summary>
[InterpolatedStringHandler]
internal readonly ref struct PtxInstruction
{
    /// <summary>The format of an operand that the instruction changes; it must be a register.</summary>
    public const string Changed = "changed";

    private readonly PtxWriter _writer;
    private readonly string _opcode;
    private readonly StringBuilder _text;

    /// <param name="literalLength">Characters of the literal parts.</param>
    /// <param name="formattedCount">Operands.</param>
    /// <param name="writer">The writer.</param>
    /// <param name="opcode">The opcode if the string has the operands only.</param>
    public PtxInstruction(int literalLength, int formattedCount, PtxWriter writer, string opcode = "")
    {
        const int OperandLength = 6;
        _writer = writer;
        _opcode = opcode;
        _text = new StringBuilder(literalLength + (formattedCount * OperandLength));
    }

    /// <summary>Appends a literal part.</summary>
    public void AppendLiteral(string text) => _text.Append(text);

    /// <summary>Appends a part of an opcode, a name or other operands.</summary>
    public void AppendFormatted(string text) => _text.Append(text);

    /// <summary>Appends a number.</summary>
    public void AppendFormatted(int number) => _text.Append(CultureInfo.InvariantCulture, $"{number}");

    /// <summary>Appends a register or a number.</summary>
    public void AppendFormatted(U32 operand) => Append(operand.ToString(), operand.IsNumber ? _writer : operand.Writer);

    /// <inheritdoc cref="AppendFormatted(U32)"/>
    public void AppendFormatted(F32 operand) => Append(operand.ToString(), operand.IsNumber ? _writer : operand.Writer);

    /// <summary>Appends a register.</summary>
    public void AppendFormatted(U64 operand) => Append(operand.ToString(), operand.Writer);

    /// <summary>Appends a register. Only guards can be negated.</summary>
    public void AppendFormatted(Predicate operand)
    {
        if (operand.IsNegated)
            throw Unexpected("a predicate", $"the negation of {operand}");
        Append(operand.ToString(), operand.Writer);
    }

    /// <summary>Appends the guard of the instruction.</summary>
    public void AppendFormatted(Predicate? guard)
    {
        if (guard is { } predicate)
            Append($"@{(predicate.IsNegated ? "!" : "")}{predicate} ", predicate.Writer);
    }

    /// <summary>Appends a variable, which the instruction changes.</summary>
    /// <param name="operand">The variable.</param>
    /// <param name="format"><see cref="Changed"/>.</param>
    public void AppendFormatted(U32 operand, string format)
    {
        RequireVariable(operand.IsNumber, operand.ToString(), format);
        AppendFormatted(operand);
    }

    /// <inheritdoc cref="AppendFormatted(U32, string)"/>
    public void AppendFormatted(F32 operand, string format)
    {
        RequireVariable(operand.IsNumber, operand.ToString(), format);
        AppendFormatted(operand);
    }

    /// <summary>Appends a vector of registers.</summary>
    public void AppendFormatted(ReadOnlySpan<F32> vector)
    {
        _text.Append('{');
        for (int index = 0; index < vector.Length; index++)
        {
            _text.Append(index == 0 ? "" : ", ");
            AppendFormatted(vector[index], Changed);
        }

        _text.Append('}');
    }

    /// <summary>The text.</summary>
    public override string ToString() => _text.ToString();

    private void RequireVariable(bool isNumber, string operand, string format)
    {
        if (format != Changed)
            throw new FormatException($"expected the format '{Changed}', found '{format}'");
        if (isNumber)
            throw Unexpected("a register", $"the number {operand}");
    }

    private void Append(string operand, PtxWriter? owner)
    {
        if (owner is null)
            throw Unexpected("a register", "a value that no method of the writer returned");
        if (owner != _writer)
            throw Unexpected("a register of this kernel", $"{operand.Trim()} of the writer of {owner.Name}");
        _text.Append(operand);
    }

    private InvalidOperationException Unexpected(string expected, string found)
        => new($"{_writer.Name}: expected {expected} after '{$"{_opcode} {_text}".Trim()}', found {found}.");
}
