using System.Globalization;

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

    /// <summary>Whether this is a number.</summary>
    public bool IsNumber => Writer is null;

    /// <summary>The index of the register, or the number.</summary>
    public uint Value { get; }

    /// <summary>A register.</summary>
    public static U32 Register(PtxWriter writer, int index) => new(writer, (uint)index);

    /// <summary>A number; a negative one stands for the same 32 bits.</summary>
    public static implicit operator U32(int number) => Number(unchecked((uint)number));

    public static U32 operator +(U32 left, U32 right) => Of(left, right) is { } writer ? writer.Add(left, right)
        : Number(unchecked(left.Value + right.Value));

    public static U32 operator -(U32 left, U32 right) => Of(left, right) is { } writer ? writer.Subtract(left, right)
        : Number(unchecked(left.Value - right.Value));

    public static U32 operator *(U32 left, U32 right) => Of(left, right) is { } writer ? writer.Multiply(left, right)
        : Number(unchecked(left.Value * right.Value));

    public static U32 operator /(U32 left, U32 right) => Of(left, Divisor(left, right)) is { } writer
        ? writer.Divide(left, right) : Number(left.Value / right.Value);

    public static U32 operator %(U32 left, U32 right) => Of(left, Divisor(left, right)) is { } writer
        ? writer.Remainder(left, right) : Number(left.Value % right.Value);

    public static U32 operator &(U32 left, U32 right) => Of(left, right) is { } writer ? writer.And(left, right)
        : Number(left.Value & right.Value);

    public static U32 operator ^(U32 left, U32 right) => Of(left, right) is { } writer ? writer.Xor(left, right)
        : Number(left.Value ^ right.Value);

    public static Predicate operator <(U32 left, U32 right) => Compare("lt", left, right);

    public static Predicate operator >(U32 left, U32 right) => Compare("gt", left, right);

    public static Predicate operator <=(U32 left, U32 right) => Compare("le", left, right);

    public static Predicate operator >=(U32 left, U32 right) => Compare("ge", left, right);

    /// <summary>Whether the value differs from another one.</summary>
    public Predicate IsNot(U32 other) => Compare("ne", this, other);

    /// <summary>The operand in the text.</summary>
    public override string ToString()
        => string.Create(CultureInfo.InvariantCulture, $"{(IsNumber ? "" : "%r")}{Value}");

    private static U32 Number(uint number) => new(null, number);

    private static PtxWriter? Of(U32 left, U32 right) => left.Writer ?? right.Writer;

    private static U32 Divisor(U32 left, U32 right) => right is not { IsNumber: true, Value: 0 } ? right
        : throw new DivideByZeroException($"A kernel divides {left} by the number 0; expected another divisor.");

    private static Predicate Compare(string comparison, U32 left, U32 right) => (Of(left, right) ?? throw new
        InvalidOperationException($"A comparison of a kernel expects a register, found the numbers {left} and " +
            $"{right}: compare them in C#.")).Compare(comparison, left, right);
}
