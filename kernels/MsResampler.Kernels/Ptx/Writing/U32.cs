namespace MsResampler.Kernels.Ptx.Writing;

/// <summary>An unsigned integer of 32 bits in a kernel that is being written: a register of each thread, or a number.
/// An operator emits an instruction, unless both operands are numbers; a factor or divisor that is a power of two
/// becomes a shift or mask.</summary>
internal readonly struct U32
{
    private U32(PtxWriter? writer, uint value)
    {
        Writer = writer;
        Value = value;
    }

    /// <summary>The writer of the register; null for a number.</summary>
    public PtxWriter? Writer { get; }

    /// <summary>The index of the register, or the number.</summary>
    public uint Value { get; }

    /// <summary>A register.</summary>
    public static U32 Register(PtxWriter writer, int index) => new(writer, (uint)index);

    public static implicit operator U32(int number) => new(null, unchecked((uint)number));

    public static U32 operator +(U32 left, U32 right) => Of(left, right) is { } writer ? writer.Add(left, right)
        : new U32(null, left.Value + right.Value);

    public static U32 operator -(U32 left, U32 right) => Of(left, right) is { } writer ? writer.Subtract(left, right)
        : new U32(null, left.Value - right.Value);

    public static U32 operator *(U32 left, U32 right) => Of(left, right) is { } writer ? writer.Multiply(left, right)
        : new U32(null, left.Value * right.Value);

    public static U32 operator /(U32 left, U32 right) => Of(left, right) is { } writer ? writer.Divide(left, right)
        : new U32(null, left.Value / right.Value);

    public static U32 operator %(U32 left, U32 right) => Of(left, right) is { } writer ? writer.Remainder(left, right)
        : new U32(null, left.Value % right.Value);

    public static U32 operator &(U32 left, U32 right) => Of(left, right) is { } writer ? writer.And(left, right)
        : new U32(null, left.Value & right.Value);

    public static U32 operator ^(U32 left, U32 right) => Of(left, right) is { } writer ? writer.Xor(left, right)
        : new U32(null, left.Value ^ right.Value);

    public static Predicate operator <(U32 left, U32 right) => Compare("lt", left, right);

    public static Predicate operator >(U32 left, U32 right) => Compare("gt", left, right);

    public static Predicate operator <=(U32 left, U32 right) => Compare("le", left, right);

    public static Predicate operator >=(U32 left, U32 right) => Compare("ge", left, right);

    /// <summary>Whether the register differs from another value.</summary>
    public Predicate IsNot(U32 other) => Compare("ne", this, other);

    /// <summary>The operand in the text.</summary>
    public override string ToString() => PtxWriter.TextOf(Writer is null ? "" : "%r", Value);

    private static PtxWriter? Of(U32 left, U32 right) => left.Writer ?? right.Writer;

    private static Predicate Compare(string comparison, U32 left, U32 right)
        => (Of(left, right) ?? throw new InvalidOperationException("two numbers are compared in a kernel"))
            .Compare(comparison, left, right);
}
