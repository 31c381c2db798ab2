using System.Numerics;

namespace MsResampler.Kernels.Ptx.Writing;

/// <content>Arithmetic, comparisons and conversions.</content>
internal sealed partial class PtxWriter
{
    private static readonly PtxTarget s_ampere = new(PtxVersion.Default, 80);

    /// <summary>Assigns a variable. PTX ISA, Data Movement: mov.</summary>
    public void Set(U32 variable, U32 value, Predicate? guard = null) => Emit(guard, $"mov.b32 {variable}, {value}");

    /// <inheritdoc cref="Set(U32, U32, Predicate?)"/>
    public void Set(U64 variable, U64 value) => Emit($"mov.b64 {variable}, {value}");

    /// <inheritdoc cref="Set(U32, U32, Predicate?)"/>
    public void Set(F32 variable, F32 value) => Emit($"mov.f32 {variable}, {value}");

    /// <summary>PTX ISA, Integer Arithmetic: add.</summary>
    public U32 Add(U32 left, U32 right) => IsNumber(right, 0) ? left : IsNumber(left, 0) ? right
        : U32Of($"add.u32", left, right);

    /// <summary>PTX ISA, Integer Arithmetic: sub.</summary>
    public U32 Subtract(U32 left, U32 right) => U32Of("sub.u32", left, right);

    /// <summary>PTX ISA, Integer Arithmetic: mul; a shift for a power of two.</summary>
    public U32 Multiply(U32 left, U32 right)
    {
        if (left.Writer is null)
            (left, right) = (right, left);
        return IsNumber(right, 1) ? left : IsPowerOfTwo(right, out int shift) ? U32Of("shl.b32", left, shift)
            : U32Of("mul.lo.u32", left, right);
    }

    /// <summary>PTX ISA, Integer Arithmetic: div; a shift for a power of two.</summary>
    public U32 Divide(U32 left, U32 right) => IsNumber(right, 1) ? left
        : IsPowerOfTwo(right, out int shift) ? U32Of("shr.u32", left, shift) : U32Of("div.u32", left, right);

    /// <summary>PTX ISA, Integer Arithmetic: rem; a mask for a power of two.</summary>
    public U32 Remainder(U32 left, U32 right) => IsPowerOfTwo(right, out _) ? And(left, (int)(right.Value - 1))
        : U32Of("rem.u32", left, right);

    /// <summary>PTX ISA, Logic and Shift: and.</summary>
    public U32 And(U32 left, U32 right) => U32Of("and.b32", left, right);

    /// <summary>PTX ISA, Logic and Shift: xor.</summary>
    public U32 Xor(U32 left, U32 right) => U32Of("xor.b32", left, right);

    /// <summary>PTX ISA, Integer Arithmetic: min.</summary>
    public U32 Min(U32 left, U32 right) => U32Of("min.u32", left, right);

    /// <summary>PTX ISA, Integer Arithmetic: max.</summary>
    public U32 Max(U32 left, U32 right) => U32Of("max.u32", left, right);

    /// <summary><paramref name="left"/>·<paramref name="right"/> + <paramref name="addend"/>. PTX ISA, Integer
    /// Arithmetic: mad.lo.</summary>
    public U32 MultiplyAdd(U32 left, U32 right, U32 addend) => left.Writer is null ? MultiplyAdd(right, left, addend)
        : U32Of("mad.lo.u32", left, right, addend);

    /// <summary>The same with a sum of 64 bits. PTX ISA, Integer Arithmetic: mad.wide.</summary>
    public U64 WideMultiplyAdd(U32 left, U32 right, U64 addend)
    {
        U64 result = NewU64();
        Emit($"mad.wide.u32 {result}, {left}, {right}, {addend}");
        return result;
    }

    /// <summary>PTX ISA, Integer Arithmetic: add.</summary>
    public U64 Add(U64 left, U64 right)
    {
        U64 result = NewU64();
        Emit($"add.u64 {result}, {left}, {right}");
        return result;
    }

    /// <summary>PTX ISA, Integer Arithmetic: add.</summary>
    public U64 Add(U64 left, long right)
    {
        U64 result = NewU64();
        Emit(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"add.u64 {result}, {left}, {right}"));
        return result;
    }

    /// <summary>Extends an integer by zeros. PTX ISA, Data Movement: cvt.</summary>
    public U64 Widen(U32 value)
    {
        U64 result = NewU64();
        Emit($"cvt.u64.u32 {result}, {value}");
        return result;
    }

    /// <summary>PTX ISA, Floating Point: add.rn.</summary>
    public F32 Add(F32 left, F32 right) => F32Of("add.rn.f32", left, right);

    /// <summary>PTX ISA, Floating Point: mul.rn.</summary>
    public F32 Multiply(F32 left, F32 right) => F32Of("mul.rn.f32", left, right);

    /// <summary>PTX ISA, Floating Point: div.rn.</summary>
    public F32 Divide(F32 left, F32 right) => F32Of("div.rn.f32", left, right);

    /// <summary><paramref name="left"/>·<paramref name="right"/> + <paramref name="addend"/>, rounded once. PTX ISA,
    /// Floating Point: fma.rn.</summary>
    public F32 Fma(F32 left, F32 right, F32 addend) => F32Of("fma.rn.f32", left, right, addend);

    /// <summary>Adds <paramref name="left"/>·<paramref name="right"/> to a variable, rounding once. PTX ISA, Floating
    /// Point: fma.rn.</summary>
    public void SetFma(F32 variable, F32 left, F32 right, Predicate? guard = null)
        => Emit(guard, $"fma.rn.f32 {variable}, {left}, {right}, {variable}");

    /// <summary>PTX ISA, Floating Point: max; a number if the other operand is NaN.</summary>
    public F32 Max(F32 left, F32 right) => F32Of("max.f32", left, right);

    /// <summary>PTX ISA, Floating Point: min; a number if the other operand is NaN.</summary>
    public F32 Min(F32 left, F32 right) => F32Of("min.f32", left, right);

    /// <summary>The larger one of a variable and a value, NaN if one of them is NaN. PTX ISA, Floating Point:
    /// max.NaN.</summary>
    public void SetMaxOrNaN(F32 variable, F32 value, Predicate? guard = null)
        => Emit(s_ampere, $"{guard?.Guard}max.NaN.f32 {variable}, {variable}, {value}");

    /// <summary>PTX ISA, Floating Point: abs.</summary>
    public F32 Abs(F32 value) => F32Of("abs.f32", value);

    /// <summary>1/√<paramref name="value"/>, with a relative error of at most 2⁻²². PTX ISA, Floating Point:
    /// rsqrt.approx.ftz.</summary>
    public F32 ReciprocalSqrt(F32 value) => F32Of("rsqrt.approx.ftz.f32", value);

    /// <summary>PTX ISA, Data Movement: cvt.rn.</summary>
    public F32 ToFloat(U32 value)
    {
        F32 result = NewF32();
        Emit($"cvt.rn.f32.u32 {result}, {value}");
        return result;
    }

    /// <summary>Two elements of 16 bits, rounded to nearest. PTX ISA, Data Movement: cvt.rn.f16x2 and
    /// cvt.rn.bf16x2.</summary>
    /// <param name="type">The type of the elements.</param>
    /// <param name="low">The element in the lower half, which is the first one in memory.</param>
    /// <param name="high">The other one.</param>
    public U32 Pack(MatrixType type, F32 low, F32 high)
    {
        U32 result = NewU32();
        Emit(s_ampere, $"cvt.rn.{NameOf(type)}x2.f32 {result}, {high}, {low}");
        return result;
    }

    /// <summary>PTX ISA, Comparison and Selection: selp.</summary>
    public U32 Select(Predicate condition, U32 then, U32 otherwise)
    {
        if (condition.IsNegated)
            (then, otherwise) = (otherwise, then);
        U32 result = NewU32();
        Emit($"selp.b32 {result}, {then}, {otherwise}, {condition.Register}");
        return result;
    }

    /// <inheritdoc cref="Select(Predicate, U32, U32)"/>
    public F32 SelectFloat(Predicate condition, F32 then, F32 otherwise)
    {
        if (condition.IsNegated)
            (then, otherwise) = (otherwise, then);
        F32 result = NewF32();
        Emit($"selp.f32 {result}, {then}, {otherwise}, {condition.Register}");
        return result;
    }

    /// <summary>PTX ISA, Comparison and Selection: setp.</summary>
    /// <param name="comparison">lt, le, gt, ge or ne.</param>
    /// <param name="left">The left operand.</param>
    /// <param name="right">The right operand.</param>
    internal Predicate Compare(string comparison, U32 left, U32 right)
    {
        Predicate result = NewPredicate();
        Emit($"setp.{comparison}.u32 {result.Register}, {left}, {right}");
        return result;
    }

    /// <summary>Whether <paramref name="left"/> is less; false for NaN. PTX ISA, Comparison and Selection:
    /// setp.</summary>
    internal Predicate IsLess(F32 left, F32 right)
    {
        Predicate result = NewPredicate();
        Emit($"setp.lt.f32 {result.Register}, {left}, {right}");
        return result;
    }

    /// <summary>PTX ISA, Logic and Shift: and.</summary>
    internal Predicate And(Predicate left, Predicate right) => Combine("and", left, right);

    /// <summary>PTX ISA, Logic and Shift: or.</summary>
    internal Predicate Or(Predicate left, Predicate right) => Combine("or", left, right);

    private static bool IsNumber(U32 value, uint number) => value.Writer is null && value.Value == number;

    private static bool IsPowerOfTwo(U32 value, out int shift)
    {
        shift = BitOperations.TrailingZeroCount(value.Value);
        return value.Writer is null && BitOperations.IsPow2(value.Value);
    }

    private static string NameOf(MatrixType type) => type == MatrixType.Float16 ? "f16" : "bf16";

    private Predicate Combine(string operation, Predicate left, Predicate right)
    {
        Predicate result = NewPredicate();
        Emit($"{operation}.pred {result.Register}, {Plain(left)}, {Plain(right)}");
        return result;
    }

    /// <summary>A register with the value; logic instructions have no negated operands.</summary>
    private string Plain(Predicate value)
    {
        if (!value.IsNegated)
            return value.Register;
        Predicate result = NewPredicate();
        Emit($"not.pred {result.Register}, {value.Register}");
        return result.Register;
    }

    private U32 U32Of(string opcode, params ReadOnlySpan<U32> operands)
    {
        U32 result = NewU32();
        var text = new System.Text.StringBuilder($"{opcode} {result}");
        foreach (U32 operand in operands)
            text.Append(", ").Append(operand.ToString());
        Emit(text.ToString());
        return result;
    }

    private F32 F32Of(string opcode, params ReadOnlySpan<F32> operands)
    {
        F32 result = NewF32();
        var text = new System.Text.StringBuilder($"{opcode} {result}");
        foreach (F32 operand in operands)
            text.Append(", ").Append(operand.ToString());
        Emit(text.ToString());
        return result;
    }
}
