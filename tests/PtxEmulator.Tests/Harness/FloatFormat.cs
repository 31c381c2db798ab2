using System.Numerics;

namespace PtxEmulator.Tests;

/// <summary>A binary floating-point format with IEEE 754 arithmetic on its encodings, computed with exact
/// numbers.</summary>
/// <remarks>The oracle of the arithmetic tables. It is slow and independent of the floating-point arithmetic of the
/// host, against which it is checked.</remarks>
internal sealed record FloatFormat(string Name, int ExponentBits, int FractionBits)
{
    public static readonly FloatFormat F16 = new("f16", 5, 10);
    public static readonly FloatFormat BF16 = new("bf16", 8, 7);

    /// <summary>The format is the upper 19 bits of a 32-bit register.</summary>
    public static readonly FloatFormat TF32 = new("tf32", 8, 10);
    public static readonly FloatFormat F32 = new("f32", 8, 23);
    public static readonly FloatFormat F64 = new("f64", 11, 52);

    /// <summary>The rounding modifiers of arithmetic instructions.</summary>
    public static readonly (string Suffix, Rounding Rounding)[] Directed =
        [("rn", Rounding.NearestEven), ("rz", Rounding.TowardZero), ("rm", Rounding.Down), ("rp", Rounding.Up)];

    public ulong SignBit => 1UL << (ExponentBits + FractionBits);

    public ulong Infinity => ((1UL << ExponentBits) - 1) << FractionBits;

    public ulong NaN => Infinity | (1UL << (FractionBits - 1));

    public ulong One => (ulong)Bias << FractionBits;

    private int Bias => (1 << (ExponentBits - 1)) - 1;

    private int SmallestExponent => 1 - Bias;

    public bool IsNaN(ulong bits) => Magnitude(bits) > Infinity;

    public bool IsInfinite(ulong bits) => Magnitude(bits) == Infinity;

    public bool IsZero(ulong bits) => Magnitude(bits) == 0;

    public bool IsSubnormal(ulong bits) => Magnitude(bits) is > 0 and var magnitude && magnitude < 1UL << FractionBits;

    public bool IsNegative(ulong bits) => (bits & SignBit) != 0;

    public ulong Flushed(ulong bits) => IsSubnormal(bits) ? bits & SignBit : bits;

    public ulong Saturated(ulong bits) =>
        IsNaN(bits) || IsNegative(bits) ? 0 : Math.Min(bits, One);

    public Exact Value(ulong bits)
    {
        ulong fraction = bits & ((1UL << FractionBits) - 1);
        int exponent = (int)(Magnitude(bits) >> FractionBits);
        BigInteger mantissa = exponent == 0 ? fraction : fraction | (1UL << FractionBits);
        return new(IsNegative(bits) ? -mantissa : mantissa, Math.Max(exponent, 1) - Bias - FractionBits);
    }

    /// <summary>The encoding of <paramref name="value"/>, rounded.</summary>
    public ulong Round(Exact value, Rounding rounding, bool negativeZero = false)
    {
        if (value.IsZero)
            return negativeZero ? SignBit : 0;
        ulong sign = value.IsNegative ? SignBit : 0;
        int leading = value.Exponent + (int)BigInteger.Abs(value.Mantissa).GetBitLength() - 1;
        if (leading <= Bias)
        {
            int exponent = Math.Max(leading, SmallestExponent);
            Exact units = value with { Exponent = value.Exponent - (exponent - FractionBits) };
            ulong mantissa = (ulong)BigInteger.Abs(units.ToInteger(rounding));
            // The leading bit of a normal number adds one to the exponent field, and so does a carry out of the
            // fraction.
            return sign | (((ulong)(exponent + Bias - 1) << FractionBits) + mantissa);
        }
        bool toInfinity = rounding switch
        {
            Rounding.NearestEven or Rounding.NearestAway => true,
            Rounding.Down => value.IsNegative,
            Rounding.Up => !value.IsNegative,
            _ => false,
        };
        return sign | (toInfinity ? Infinity : Infinity - 1);
    }

    public ulong Add(ulong left, ulong right, Rounding rounding = Rounding.NearestEven)
    {
        if (IsNaN(left) || IsNaN(right) || (IsInfinite(left) && right == (left ^ SignBit)))
            return NaN;
        if (IsInfinite(left) || IsInfinite(right))
            return IsInfinite(left) ? left : right;
        return Round(Value(left) + Value(right), rounding,
            ZeroSign(IsNegative(left), IsNegative(right), rounding));
    }

    public ulong Subtract(ulong left, ulong right, Rounding rounding = Rounding.NearestEven) =>
        Add(left, right ^ SignBit, rounding);

    public ulong Multiply(ulong left, ulong right, Rounding rounding = Rounding.NearestEven)
    {
        bool negative = IsNegative(left) != IsNegative(right);
        if (IsNaN(left) || IsNaN(right) || (IsInfinite(left) && IsZero(right)) || (IsZero(left) && IsInfinite(right)))
            return NaN;
        return IsInfinite(left) || IsInfinite(right)
            ? Signed(Infinity, negative)
            : Round(Value(left) * Value(right), rounding, negative);
    }

    public ulong FusedMultiplyAdd(ulong left, ulong right, ulong addend, Rounding rounding = Rounding.NearestEven)
    {
        ulong product = Multiply(left, right, rounding);
        if (IsNaN(product) || IsNaN(addend))
            return NaN;
        if (IsInfinite(left) || IsInfinite(right) || IsInfinite(addend))
            return Add(IsInfinite(left) || IsInfinite(right) ? product : 0, addend);
        return Round((Value(left) * Value(right)) + Value(addend), rounding,
            ZeroSign(IsNegative(left) != IsNegative(right), IsNegative(addend), rounding));
    }

    public ulong Divide(ulong left, ulong right, Rounding rounding = Rounding.NearestEven)
    {
        bool negative = IsNegative(left) != IsNegative(right);
        if (IsNaN(left) || IsNaN(right) || (IsInfinite(left) && IsInfinite(right)) || (IsZero(left) && IsZero(right)))
            return NaN;
        if (IsInfinite(left) || IsZero(right))
            return Signed(Infinity, negative);
        return IsInfinite(right) || IsZero(left)
            ? Signed(0, negative)
            : Round(Exact.Quotient(Value(left), Value(right), 3 * FractionBits), rounding);
    }

    public ulong SquareRoot(ulong bits, Rounding rounding = Rounding.NearestEven)
    {
        if (IsNaN(bits) || (IsNegative(bits) && !IsZero(bits)))
            return NaN;
        return IsInfinite(bits) || IsZero(bits) ? bits : Round(Value(bits).Root(2 * FractionBits), rounding);
    }

    public ulong Convert(ulong bits, FloatFormat target, Rounding rounding = Rounding.NearestEven)
    {
        if (IsNaN(bits))
            return target.NaN;
        bool negative = IsNegative(bits);
        return IsInfinite(bits)
            ? target.Signed(target.Infinity, negative)
            : target.Round(Value(bits), rounding, negative);
    }

    public ulong RoundToWhole(ulong bits, Rounding rounding)
    {
        if (IsNaN(bits) || IsInfinite(bits))
            return bits;
        return Round(new(Value(bits).ToInteger(rounding), 0), rounding, IsNegative(bits));
    }

    /// <summary>The value as an integer from <paramref name="least"/> to <paramref name="most"/>; NaN becomes
    /// 0.</summary>
    public BigInteger ToInteger(ulong bits, Rounding rounding, BigInteger least, BigInteger most)
    {
        if (IsNaN(bits))
            return 0;
        if (IsInfinite(bits))
            return IsNegative(bits) ? least : most;
        return BigInteger.Clamp(Value(bits).ToInteger(rounding), least, most);
    }

    /// <summary>The smaller or the larger operand. If one operand is NaN, the result is the other; −0 is smaller than
    /// +0.</summary>
    public ulong Extreme(ulong left, ulong right, bool largest, bool propagateNaN = false)
    {
        if (IsNaN(left) || IsNaN(right))
            return propagateNaN || (IsNaN(left) && IsNaN(right)) ? NaN : IsNaN(left) ? right : left;
        return Order(left) > Order(right) == largest ? left : right;
    }

    private static bool ZeroSign(bool left, bool right, Rounding rounding) =>
        left == right ? left : rounding == Rounding.Down;

    private long Order(ulong bits) => IsNegative(bits) ? -1 - (long)Magnitude(bits) : (long)Magnitude(bits);

    private ulong Magnitude(ulong bits) => bits & (SignBit - 1);

    private ulong Signed(ulong bits, bool negative) => negative ? bits | SignBit : bits;
}
