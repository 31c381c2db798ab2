using System.Globalization;

namespace MsResampler.Kernels.Ptx.Writing;

/// <summary>A float in a kernel that is being written: a register of each thread, or a number. An operator emits an
/// instruction that rounds to nearest.</summary>
internal readonly struct F32
{
    private readonly int _index;
    private readonly float _number;

    private F32(PtxWriter? writer, int index, float number)
    {
        Writer = writer;
        _index = index;
        _number = number;
    }

    /// <summary>The writer of the register; null for a number.</summary>
    public PtxWriter? Writer { get; }

    /// <summary>Whether this is a number.</summary>
    public bool IsNumber => Writer is null;

    /// <summary>A register.</summary>
    public static F32 Register(PtxWriter writer, int index) => new(writer, index, 0);

    public static implicit operator F32(float number) => new(null, 0, number);

    public static F32 operator +(F32 left, F32 right) => Of(left, right).Add(left, right);

    public static F32 operator *(F32 left, F32 right) => Of(left, right).Multiply(left, right);

    public static F32 operator /(F32 left, F32 right) => Of(left, right).Divide(left, right);

    public static Predicate operator <(F32 left, F32 right) => Of(left, right).IsLess(left, right);

    public static Predicate operator >(F32 left, F32 right) => Of(left, right).IsLess(right, left);

    /// <summary>The operand in the text.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{(IsNumber ? "0f" : "%f")}{(IsNumber ? $"{BitConverter.SingleToUInt32Bits(_number):X8}" : _index)}");

    private static PtxWriter Of(F32 left, F32 right) => left.Writer ?? right.Writer ?? throw new
        InvalidOperationException($"An operator of a kernel expects a register, found the numbers {left._number} and " +
            $"{right._number}: combine them in C#.");
}
