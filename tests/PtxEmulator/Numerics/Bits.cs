using System.Numerics;

namespace PtxEmulator.Numerics;

/// <summary>Operations on integers of 8 to 64 bits that are stored in a wider word.</summary>
internal static class Bits
{
    public static ulong Mask(int bits) => bits >= 64 ? ulong.MaxValue : (1ul << bits) - 1;

    public static long SignExtend(ulong value, int bits) => (long)(value << (64 - bits)) >> (64 - bits);

    /// <summary>The high half of a product.</summary>
    public static ulong MultiplyHigh(ulong a, ulong b, int bits, bool isSigned)
    {
        if (isSigned)
            return (ulong)(((Int128)SignExtend(a, bits) * SignExtend(b, bits)) >> bits) & Mask(bits);
        return (ulong)(((UInt128)a * b) >> bits) & Mask(bits);
    }

    public static ulong Reverse(ulong value, int bits)
    {
        ulong result = 0;
        for (int bit = 0; bit < bits; bit++)
            result |= (value >> bit & 1) << (bits - 1 - bit);
        return result;
    }

    /// <summary><c>bfind</c>: the position of the leading one, or for signed types of the leading bit that differs
    /// from the sign.</summary>
    public static uint FindLeading(ulong value, int bits, bool isSigned, bool isShiftAmount)
    {
        if (isSigned && (value >> (bits - 1) & 1) != 0)
            value = ~value & Mask(bits);
        if (value == 0)
            return uint.MaxValue;
        uint position = (uint)BitOperations.Log2(value);
        return isShiftAmount ? (uint)bits - 1 - position : position;
    }

    /// <summary><c>bfe</c>: a bit field; bits past the end are copies of the sign bit.</summary>
    public static ulong Extract(ulong value, ulong position, ulong length, int bits, bool isSigned)
    {
        int start = (int)(position & 0xff);
        int count = (int)(length & 0xff);
        if (count == 0)
            return 0;
        ulong sign = isSigned ? value >> Math.Min(start + count - 1, bits - 1) & 1 : 0;
        ulong field = start >= bits ? 0 : value >> start;
        int present = Math.Clamp(bits - start, 0, count);
        field &= Mask(present);
        return (field | (sign != 0 ? ~Mask(present) : 0)) & Mask(bits);
    }

    /// <summary><c>bfi</c>: <paramref name="value"/> with a bit field replaced by the low bits of
    /// <paramref name="inserted"/>.</summary>
    public static ulong Insert(ulong inserted, ulong value, ulong position, ulong length, int bits)
    {
        int start = (int)(position & 0xff);
        int count = (int)(length & 0xff);
        if (start >= bits || count == 0)
            return value;
        ulong mask = (Mask(Math.Min(count, bits)) << start) & Mask(bits);
        return (value & ~mask) | ((inserted << start) & mask);
    }

    /// <summary><c>prmt</c> without a mode: each nibble of the selector selects a byte, or the sign of a
    /// byte.</summary>
    public static uint Permute(uint a, uint b, uint selector)
    {
        ulong bytes = a | ((ulong)b << 32);
        uint result = 0;
        for (int index = 0; index < 4; index++)
        {
            uint choice = selector >> (4 * index);
            uint chosen = (uint)(bytes >> (int)(8 * (choice & 7))) & 0xff;
            if ((choice & 8) != 0)
                chosen = (chosen & 0x80) != 0 ? 0xffu : 0;
            result |= chosen << (8 * index);
        }
        return result;
    }

    /// <summary><c>lop3</c>: any function of three bits, given by its truth table.</summary>
    public static uint Logic(uint a, uint b, uint c, uint table)
    {
        uint result = 0;
        for (int row = 0; row < 8; row++)
        {
            if ((table >> row & 1) == 0)
                continue;
            result |= ((row & 4) != 0 ? a : ~a) & ((row & 2) != 0 ? b : ~b) & ((row & 1) != 0 ? c : ~c);
        }
        return result;
    }
}
