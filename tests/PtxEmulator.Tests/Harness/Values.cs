using System.Runtime.CompilerServices;

namespace PtxEmulator.Tests;

/// <summary>The test values of a type, and the equality of results.</summary>
internal static class Values
{
    private static readonly ulong[] s_patterns =
    [
        0, 1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 127, 128, 255, 256, 0x7FFF, 0x8000, 0xFFFF, 0x1_0000,
        0x00FF_00FF, 0x5555_5555, 0x1234_5678, 0x7FFF_FFFF, 0x8000_0000, 0x8000_0001, 0xDEAD_BEEF, 0xFFFF_FFFF,
        0x1_0000_0000, 0x0123_4567_89AB_CDEF, 0x7FFF_FFFF_FFFF_FFFF, 0x8000_0000_0000_0000, 0xFEDC_BA98_7654_3210,
    ];

    /// <summary>Integers or floating-point numbers at all edges of the type.</summary>
    public static T[] Of<T>()
        where T : unmanaged
    {
        if (typeof(T) == typeof(bool))
            return [FromBits<T>(0), FromBits<T>(1)];
        if (typeof(T) == typeof(Packed<Half>))
            return Pairs<T>(FloatFormat.F16);
        if (typeof(T) == typeof(Packed<BFloat16>))
            return Pairs<T>(FloatFormat.BF16);
        if (FormatOf<T>() is { } format)
            return [.. Edges(format).Select(FromBits<T>)];
        return [.. s_patterns.SelectMany(pattern => new[] { pattern, 0 - pattern }).Select(FromBits<T>).Distinct()];
    }

    /// <summary>Shift counts and bit positions around 0, 32, 64 and 256.</summary>
    public static uint[] Counts { get; } =
        [0, 1, 4, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 255, 256, 0x8000_0000, uint.MaxValue];

    public static FloatFormat? FormatOf<T>() =>
        typeof(T) == typeof(float) ? FloatFormat.F32
        : typeof(T) == typeof(double) ? FloatFormat.F64
        : typeof(T) == typeof(Half) ? FloatFormat.F16
        : typeof(T) == typeof(BFloat16) ? FloatFormat.BF16
        : null;

    /// <summary>Whether the bits are equal, or both values are NaN.</summary>
    public static bool Same<T>(T left, T right)
        where T : unmanaged
    {
        if (left is Packed<Half> halves && right is Packed<Half> otherHalves)
            return Same(halves.Low, otherHalves.Low) && Same(halves.High, otherHalves.High);
        if (left is Packed<BFloat16> pair && right is Packed<BFloat16> otherPair)
            return Same(pair.Low, otherPair.Low) && Same(pair.High, otherPair.High);
        ulong leftBits = ToBits(left);
        ulong rightBits = ToBits(right);
        return leftBits == rightBits
            || (FormatOf<T>() is { } format && format.IsNaN(leftBits) && format.IsNaN(rightBits));
    }

    public static unsafe ulong ToBits<T>(T value)
        where T : unmanaged
    {
        ulong bits = 0;
        Unsafe.WriteUnaligned(&bits, value);
        return bits;
    }

    public static unsafe T FromBits<T>(ulong bits)
        where T : unmanaged => Unsafe.ReadUnaligned<T>(&bits);

    private static IEnumerable<ulong> Edges(FloatFormat format)
    {
        ulong ulp = 1;
        ulong smallestNormal = 1UL << format.FractionBits;
        ulong[] positive =
        [
            0, ulp, smallestNormal - ulp, smallestNormal, smallestNormal + ulp, format.One - ulp, format.One,
            format.One + ulp, format.One + (smallestNormal / 2), format.One + smallestNormal,
            format.One + smallestNormal + (smallestNormal / 4), format.One - smallestNormal, Rounded(0.1),
            Rounded(1 / 3.0), Rounded(65504), Rounded(1e5), Rounded(1e10), Rounded(1e-10), Rounded(1e30),
            format.Infinity - ulp, format.Infinity, format.NaN, format.Infinity + ulp,
        ];
        return positive.SelectMany(bits => new[] { bits, bits | format.SignBit }).Distinct();

        ulong Rounded(double value) =>
            FloatFormat.F64.Convert(BitConverter.DoubleToUInt64Bits(value), format, Rounding.TowardZero);
    }

    private static T[] Pairs<T>(FloatFormat format)
        where T : unmanaged
    {
        ulong[] edges = [.. Edges(format)];
        return [.. edges.Select((bits, index) => FromBits<T>(bits | (edges[^(index + 1)] << 16)))];
    }
}
