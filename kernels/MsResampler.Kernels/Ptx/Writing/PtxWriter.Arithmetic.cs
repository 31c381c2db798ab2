using System.Globalization;
using System.Numerics;

namespace MsResampler.Kernels.Ptx.Writing;

/// <content>Arithmetic, comparisons and conversions. Operators of <see cref="U32"/>, <see cref="U64"/>,
/// <see cref="F32"/> and <see cref="Predicate"/> call the internal methods.</content>
internal sealed partial class PtxWriter
{
    /// <summary>Assigns a variable. PTX ISA, Data Movement and Conversion Instructions: mov.</summary>
    public void Set(U32 variable, U32 value) => Emit($"mov.b32 {variable:changed}, {value}");

    /// <inheritdoc cref="Set(U32, U32)"/>
    public void Set(U64 variable, U64 value) => Emit($"mov.b64 {variable}, {value}");

    /// <inheritdoc cref="Set(U32, U32)"/>
    public void Set(F32 variable, F32 value) => Emit($"mov.f32 {variable:changed}, {value}");

    /// <summary>The smaller one. PTX ISA, Integer Arithmetic Instructions: min.</summary>
    public U32 Min(U32 left, U32 right) => IntegerOf("min.u32", $"{left}, {right}");

    /// <summary>The larger one. PTX ISA, Integer Arithmetic Instructions: max.</summary>
    public U32 Max(U32 left, U32 right) => IntegerOf("max.u32", $"{left}, {right}");

    /// <summary><paramref name="left"/>·<paramref name="right"/> + <paramref name="addend"/>. PTX ISA, Integer
    /// Arithmetic Instructions: mad.</summary>
    public U32 MultiplyAdd(U32 left, U32 right, U32 addend)
        => IntegerOf("mad.lo.u32", $"{left}, {right}, {addend}");

    /// <summary>The same with a product and a sum of 64 bits. PTX ISA, Integer Arithmetic Instructions: mad.</summary>
    public U64 WideMultiplyAdd(U32 left, U32 right, U64 addend)
        => AddressOf("mad.wide.u32", $"{left}, {right}, {addend}");

    /// <summary>Extends an integer by zeros. PTX ISA, Data Movement and Conversion Instructions: cvt.</summary>
    public U64 Widen(U32 value) => AddressOf("cvt.u64.u32", $"{value}");

    /// <summary><paramref name="left"/>·<paramref name="right"/> + <paramref name="addend"/>, rounded once. PTX ISA,
    /// Floating Point Instructions: fma.</summary>
    public F32 Fma(F32 left, F32 right, F32 addend) => FloatOf("fma.rn.f32", $"{left}, {right}, {addend}");

    /// <summary>Adds <paramref name="left"/>·<paramref name="right"/> to a variable, rounding once. PTX ISA, Floating
    /// Point Instructions: fma.</summary>
    public void SetFma(F32 variable, F32 left, F32 right, Predicate? guard = null)
        => Emit($"{guard}fma.rn.f32 {variable:changed}, {left}, {right}, {variable}");

    /// <summary>The larger one; if one is NaN, the other one. PTX ISA, Floating Point Instructions: max.</summary>
    public F32 Max(F32 left, F32 right) => FloatOf("max.f32", $"{left}, {right}");

    /// <summary>The smaller one; if one is NaN, the other one. PTX ISA, Floating Point Instructions: min.</summary>
    public F32 Min(F32 left, F32 right) => FloatOf("min.f32", $"{left}, {right}");

    /// <summary>Raises a variable to a value if it is less; NaN if one of them is NaN. PTX ISA, Floating Point
    /// Instructions: max.</summary>
    public void SetMaxOrNaN(F32 variable, F32 value, Predicate? guard = null)
        => Emit(s_ampere, $"{guard}max.NaN.f32 {variable:changed}, {variable}, {value}");

    /// <summary>The magnitude. PTX ISA, Floating Point Instructions: abs.</summary>
    public F32 Abs(F32 value) => FloatOf("abs.f32", $"{value}");

    /// <summary>1/√<paramref name="value"/>, with a relative error of at most 2⁻²². PTX ISA, Floating Point
    /// Instructions: rsqrt.</summary>
    public F32 ReciprocalSqrt(F32 value) => FloatOf("rsqrt.approx.ftz.f32", $"{value}");

    /// <summary>An integer as a float, rounded to nearest. PTX ISA, Data Movement and Conversion Instructions:
    /// cvt.</summary>
    public F32 ToFloat(U32 value) => FloatOf("cvt.rn.f32.u32", $"{value}");

    /// <summary>Two elements of 16 bits, rounded to nearest. PTX ISA, Data Movement and Conversion Instructions:
    /// cvt.</summary>
    /// <param name="type">The type of the elements.</param>
    /// <param name="low">The element in the lower half, which is the first one in memory.</param>
    /// <param name="high">The other one.</param>
    public U32 Pack(MatrixType type, F32 low, F32 high)
    {
        U32 result = NewInteger();
        Emit(s_ampere, $"cvt.rn.{NameOf(type)}x2.f32 {result}, {high}, {low}");
        return result;
    }

    /// <summary>One of two values. PTX ISA, Comparison and Selection Instructions: selp.</summary>
    public U32 Select(Predicate condition, U32 then, U32 otherwise) => condition.IsNegated
        ? Select(!condition, otherwise, then) : IntegerOf("selp.b32", $"{then}, {otherwise}, {condition}");

    /// <inheritdoc cref="Select(Predicate, U32, U32)"/>
    public F32 SelectFloat(Predicate condition, F32 then, F32 otherwise) => condition.IsNegated
        ? SelectFloat(!condition, otherwise, then) : FloatOf("selp.f32", $"{then}, {otherwise}, {condition}");

    /// <summary>PTX ISA, Integer Arithmetic Instructions: add; nothing for 0.</summary>
    internal U32 Add(U32 left, U32 right) => IsZero(right) ? left : IsZero(left) ? right
        : IntegerOf("add.u32", $"{left}, {right}");

    /// <summary>PTX ISA, Integer Arithmetic Instructions: sub.</summary>
    internal U32 Subtract(U32 left, U32 right) => IntegerOf("sub.u32", $"{left}, {right}");

    /// <summary>PTX ISA, Integer Arithmetic Instructions: mul; a shift for a power of two.</summary>
    internal U32 Multiply(U32 left, U32 right)
    {
        if (left.IsNumber)
            (left, right) = (right, left);
        return IsPowerOfTwo(right, out int shift) ? Shift("shl.b32", left, shift)
            : IntegerOf("mul.lo.u32", $"{left}, {right}");
    }

    /// <summary>PTX ISA, Integer Arithmetic Instructions: div; a shift for a power of two.</summary>
    internal U32 Divide(U32 left, U32 right) => IsPowerOfTwo(right, out int shift) ? Shift("shr.u32", left, shift)
        : IntegerOf("div.u32", $"{left}, {right}");

    /// <summary>PTX ISA, Integer Arithmetic Instructions: rem; a mask for a power of two.</summary>
    internal U32 Remainder(U32 left, U32 right) => IsPowerOfTwo(right, out _) ? And(left, (int)(right.Value - 1))
        : IntegerOf("rem.u32", $"{left}, {right}");

    /// <summary>PTX ISA, Logic and Shift Instructions: and.</summary>
    internal U32 And(U32 left, U32 right) => IntegerOf("and.b32", $"{left}, {right}");

    /// <summary>PTX ISA, Logic and Shift Instructions: xor.</summary>
    internal U32 Xor(U32 left, U32 right) => IntegerOf("xor.b32", $"{left}, {right}");

    /// <summary>PTX ISA, Integer Arithmetic Instructions: add.</summary>
    internal U64 Add(U64 left, U64 right) => AddressOf("add.u64", $"{left}, {right}");

    /// <inheritdoc cref="Add(U64, U64)"/>
    internal U64 Add(U64 left, long right)
        => AddressOf("add.u64", $"{left}, {right.ToString(CultureInfo.InvariantCulture)}");

    /// <summary>PTX ISA, Floating Point Instructions: add.</summary>
    internal F32 Add(F32 left, F32 right) => FloatOf("add.rn.f32", $"{left}, {right}");

    /// <summary>PTX ISA, Floating Point Instructions: mul.</summary>
    internal F32 Multiply(F32 left, F32 right) => FloatOf("mul.rn.f32", $"{left}, {right}");

    /// <summary>PTX ISA, Floating Point Instructions: div.</summary>
    internal F32 Divide(F32 left, F32 right) => FloatOf("div.rn.f32", $"{left}, {right}");

    /// <summary>PTX ISA, Comparison and Selection Instructions: setp.</summary>
    /// <param name="comparison">lt, le, gt, ge or ne.</param>
    /// <param name="left">The left operand.</param>
    /// <param name="right">The right operand.</param>
    internal Predicate Compare(string comparison, U32 left, U32 right)
        => PredicateOf($"setp.{comparison}.u32", $"{left}, {right}");

    /// <summary>False for NaN. PTX ISA, Comparison and Selection Instructions: setp.</summary>
    internal Predicate IsLess(F32 left, F32 right) => PredicateOf("setp.lt.f32", $"{left}, {right}");

    /// <summary>PTX ISA, Logic and Shift Instructions: and.</summary>
    internal Predicate And(Predicate left, Predicate right)
        => PredicateOf("and.pred", $"{Plain(left)}, {Plain(right)}");

    /// <summary>PTX ISA, Logic and Shift Instructions: or.</summary>
    internal Predicate Or(Predicate left, Predicate right)
        => PredicateOf("or.pred", $"{Plain(left)}, {Plain(right)}");

    private static bool IsZero(U32 value) => value is { IsNumber: true, Value: 0 };

    private static bool IsPowerOfTwo(U32 value, out int shift)
    {
        shift = BitOperations.TrailingZeroCount(value.Value);
        return value.IsNumber && BitOperations.IsPow2(value.Value);
    }

    private static string NameOf(MatrixType type) => type == MatrixType.Float16 ? "f16" : "bf16";

    /// <summary>PTX ISA, Logic and Shift Instructions: shl and shr; nothing for 0.</summary>
    private U32 Shift(string opcode, U32 value, int shift) => shift == 0 ? value
        : IntegerOf(opcode, $"{value}, {shift}");

    /// <summary>A predicate that is not negated. PTX ISA, Logic and Shift Instructions: not.</summary>
    private Predicate Plain(Predicate value) => value.IsNegated ? PredicateOf("not.pred", $"{!value}") : value;
}
