using System.Numerics;

namespace PtxEmulator.Tests;

/// <summary>The exact number Mantissa · 2^Exponent.</summary>
internal readonly record struct Exact(BigInteger Mantissa, int Exponent)
{
    public bool IsZero => Mantissa.IsZero;

    public bool IsNegative => Mantissa.Sign < 0;

    public static Exact operator +(Exact left, Exact right)
    {
        int exponent = Math.Min(left.Exponent, right.Exponent);
        return new(left.Shifted(exponent) + right.Shifted(exponent), exponent);
    }

    public static Exact operator *(Exact left, Exact right) =>
        new(left.Mantissa * right.Mantissa, left.Exponent + right.Exponent);

    /// <summary>At least the given number of leading bits of the quotient, and one more bit that is 1 if the quotient
    /// is inexact.</summary>
    public static Exact Quotient(Exact left, Exact right, int bits)
    {
        int shift = bits + (int)right.Mantissa.GetBitLength();
        BigInteger quotient = BigInteger.DivRem(BigInteger.Abs(left.Mantissa) << shift, BigInteger.Abs(right.Mantissa),
            out BigInteger remainder);
        quotient = (quotient << 1) | (remainder.IsZero ? 0 : 1);
        return new(left.Mantissa.Sign * right.Mantissa.Sign * quotient, left.Exponent - right.Exponent - shift - 1);
    }

    /// <summary>At least the given number of leading bits of the root, and one more bit that is 1 if the root is
    /// inexact.</summary>
    public Exact Root(int bits)
    {
        int shift = (2 * bits) + (Exponent & 1);
        BigInteger square = Mantissa << shift;
        BigInteger root = BigInteger.One << (int)((square.GetBitLength() + 1) / 2);
        for (BigInteger next = (root + (square / root)) >> 1; next < root; next = (root + (square / root)) >> 1)
            root = next;
        return new((root << 1) | (root * root == square ? 0 : 1), ((Exponent - shift) / 2) - 1);
    }

    /// <summary>The number rounded to an integer.</summary>
    public BigInteger ToInteger(Rounding rounding)
    {
        if (Exponent >= 0)
            return Mantissa << Exponent;
        BigInteger magnitude = BigInteger.Abs(Mantissa);
        BigInteger whole = magnitude >> -Exponent;
        BigInteger rest = magnitude - (whole << -Exponent);
        int toHalf = (rest << 1).CompareTo(BigInteger.One << -Exponent);
        bool up = rounding switch
        {
            Rounding.NearestEven => toHalf > 0 || (toHalf == 0 && !whole.IsEven),
            Rounding.NearestAway => toHalf >= 0,
            Rounding.Down => IsNegative && !rest.IsZero,
            Rounding.Up => !IsNegative && !rest.IsZero,
            _ => false,
        };
        return Mantissa.Sign * (whole + (up ? 1 : 0));
    }

    private BigInteger Shifted(int exponent) => Mantissa << (Exponent - exponent);
}
