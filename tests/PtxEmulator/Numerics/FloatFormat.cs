namespace PtxEmulator.Numerics;

/// <summary>A binary floating-point format, and exact rounding into it.</summary>
/// <param name="ExponentBits">Bits of the exponent.</param>
/// <param name="MantissaBits">Stored bits of the mantissa.</param>
/// <param name="UnusedBits">Low mantissa bits of a wider format that this format does not use.</param>
internal sealed record FloatFormat(int ExponentBits, int MantissaBits, int UnusedBits = 0)
{
    public static readonly FloatFormat Half = new(5, 10);
    public static readonly FloatFormat BFloat = new(8, 7);
    public static readonly FloatFormat Single = new(8, 23);
    public static readonly FloatFormat Double = new(11, 52);

    /// <summary>float32 with 13 zero low mantissa bits.</summary>
    public static readonly FloatFormat Tensor = new(8, 10, 13);

    private const int DoubleMantissaBits = 52;

    // A residual below double precision becomes a quarter of a unit in the last place, which rounds in the same way.
    private const int GuardBits = 2;

    private int Bias => (1 << (ExponentBits - 1)) - 1;

    private ulong Infinity => ((1ul << ExponentBits) - 1) << MantissaBits;

    /// <summary>The NaN that instructions produce: all bits except the sign are ones.</summary>
    public ulong CanonicalNaN => (1ul << (ExponentBits + MantissaBits + UnusedBits)) - 1;

    private ulong SignBit => 1ul << (ExponentBits + MantissaBits);

    public static FloatFormat Of(PtxType type) => (type.Kind, type.Bits) switch
    {
        (PtxTypeKind.Float, 16) => Half,
        (PtxTypeKind.BFloat, 16) => BFloat,
        (PtxTypeKind.TensorFloat, 32) => Tensor,
        (PtxTypeKind.Float, 64) => Double,
        _ => Single,
    };

    /// <summary>The value of an encoding; every value of every format is exact in double precision.</summary>
    public double Decode(ulong bits)
    {
        if (this == Half)
            return (double)BitConverter.UInt16BitsToHalf((ushort)bits);
        if (this == BFloat)
            return BitConverter.UInt32BitsToSingle((uint)bits << 16);
        return this == Double ? BitConverter.UInt64BitsToDouble(bits) : BitConverter.UInt32BitsToSingle((uint)bits);
    }

    /// <summary>The encoding of <paramref name="value"/> + <paramref name="residual"/>, rounded once.</summary>
    /// <param name="value">The value, or the nearest double.</param>
    /// <param name="rounding">The rounding mode.</param>
    /// <param name="residual">The difference to the exact value, less than half a unit in the last place. Only its
    /// sign matters.</param>
    public ulong Encode(double value, Rounding rounding, double residual = 0)
    {
        if (double.IsNaN(value))
            return CanonicalNaN;
        ulong sign = double.IsNegative(value) ? SignBit : 0;
        ulong magnitude = double.IsInfinity(value) ? Infinity
            : EncodeFinite(BitConverter.DoubleToUInt64Bits(Math.Abs(value)), sign != 0, rounding,
                Math.Sign(residual) * (sign != 0 ? -1 : 1));
        return (sign | magnitude) << UnusedBits;
    }

    /// <summary>The largest finite value.</summary>
    public double MaxValue => Decode((Infinity - 1) << UnusedBits);

    private ulong EncodeFinite(ulong bits, bool isNegative, Rounding rounding, int residualSign)
    {
        int exponentField = (int)(bits >> DoubleMantissaBits);
        ulong mantissa = bits & ((1ul << DoubleMantissaBits) - 1);
        if (exponentField != 0)
            mantissa |= 1ul << DoubleMantissaBits;
        if (mantissa == 0)
            return 0;
        int exponent = Math.Max(exponentField, 1) - 1023 - DoubleMantissaBits - GuardBits;
        mantissa <<= GuardBits;
        mantissa = (ulong)((long)mantissa + residualSign);
        int topExponent = exponent + 63 - System.Numerics.BitOperations.LeadingZeroCount(mantissa);
        int quantum = Math.Max(topExponent, 1 - Bias) - MantissaBits;
        int shift = quantum - exponent;
        ulong kept = Round(mantissa, shift, isNegative, rounding);
        // A carry out of the mantissa increments the exponent, as required.
        ulong result = kept >= 1ul << MantissaBits
            ? ((ulong)(quantum + MantissaBits + Bias) << MantissaBits) + (kept - (1ul << MantissaBits))
            : kept;
        if (result < Infinity)
            return result;
        bool isTowardZero = rounding == Rounding.Zero || rounding == (isNegative ? Rounding.Up : Rounding.Down);
        return isTowardZero ? Infinity - 1 : Infinity;
    }

    private static ulong Round(ulong mantissa, int shift, bool isNegative, Rounding rounding)
    {
        if (shift <= 0)
            return mantissa << -shift;
        ulong kept = shift > 63 ? 0 : mantissa >> shift;
        ulong rest = shift > 63 ? mantissa : mantissa & ((1ul << shift) - 1);
        ulong half = shift > 63 ? ulong.MaxValue : 1ul << (shift - 1);
        bool isUp = rounding switch
        {
            Rounding.NearestEven => rest > half || (rest == half && (kept & 1) != 0),
            Rounding.NearestAway => rest >= half,
            Rounding.Up => rest != 0 && !isNegative,
            Rounding.Down => rest != 0 && isNegative,
            _ => false,
        };
        return isUp ? kept + 1 : kept;
    }
}
