using System.Numerics;

namespace PtxEmulator.Tests;

/// <summary>PTX ISA 9.7.8, logic and shift, and 9.7.1, bit counting, bit fields and permutation.</summary>
internal sealed class BitTests
{
    private static readonly uint[] s_words =
        [0, 1, 0x8000_0000, 0x7FFF_FFFF, uint.MaxValue, 0x1234_5678, 0xDEAD_BEEF, 0x0080_0000, 0xFF00_FF00];

    private static IEnumerable<PtxCase> Logic<T>(string type)
        where T : unmanaged, IBinaryInteger<T>
    {
        yield return PtxCase.Binary<T, T, T>($"and.{type} %r, %a, %b;", (a, b) => a & b);
        yield return PtxCase.Binary<T, T, T>($"or.{type} %r, %a, %b;", (a, b) => a | b);
        yield return PtxCase.Binary<T, T, T>($"xor.{type} %r, %a, %b;", (a, b) => a ^ b);
        yield return PtxCase.Unary<T, T>($"not.{type} %r, %a;", a => ~a);
        yield return PtxCase.Unary<T, T>($"cnot.{type} %r, %a;", a => a == T.Zero ? T.One : T.Zero);
    }

    private static IEnumerable<PtxCase> PredicateLogic()
    {
        yield return PtxCase.Binary<bool, bool, bool>("and.pred %r, %a, %b;", (a, b) => a && b);
        yield return PtxCase.Binary<bool, bool, bool>("or.pred %r, %a, %b;", (a, b) => a || b);
        yield return PtxCase.Binary<bool, bool, bool>("xor.pred %r, %a, %b;", (a, b) => a != b);
        yield return PtxCase.Unary<bool, bool>("not.pred %r, %a;", a => !a);
        yield return PtxCase.Unary<bool, bool>("mov.pred %r, %a;", a => a);
    }

    /// <remarks>A shift by the width or more shifts out all bits: the count is clamped, not taken modulo the
    /// width.</remarks>
    private static IEnumerable<PtxCase> Shifts<T>(string type, int bits)
        where T : unmanaged, IBinaryInteger<T>
    {
        bool isSigned = type[0] == 's';
        yield return PtxCase.Binary<T, uint, T>($"shl.b{bits} %r, %a, %b;",
            (a, b) => b >= bits ? T.Zero : T.CreateTruncating(BigInteger.CreateChecked(a) << (int)b), null,
            Values.Counts);
        yield return PtxCase.Binary<T, uint, T>($"shr.{type} %r, %a, %b;",
            (a, b) => b < bits ? T.CreateChecked(BigInteger.CreateChecked(a) >> (int)b)
                : isSigned && T.IsNegative(a) ? ~T.Zero : T.Zero, null, Values.Counts);
    }

    private static IEnumerable<PtxCase> FunnelShifts()
    {
        yield return Funnel("shf.l.wrap.b32", (both, count) => (uint)((both << (int)(count & 31)) >> 32));
        yield return Funnel("shf.r.wrap.b32", (both, count) => (uint)(both >> (int)(count & 31)));
        yield return Funnel("shf.l.clamp.b32",
            (both, count) => count >= 32 ? (uint)both : (uint)((both << (int)count) >> 32));
        yield return Funnel("shf.r.clamp.b32",
            (both, count) => count >= 32 ? (uint)(both >> 32) : (uint)(both >> (int)count));

        static PtxCase Funnel(string name, Func<ulong, uint, uint> expected) => PtxCase.Ternary<uint, uint, uint, uint>(
            $"{name} %r, %a, %b, %c;", (low, high, count) => expected(((ulong)high << 32) | low, count),
            s_words, s_words, Values.Counts);
    }

    private static IEnumerable<PtxCase> Counting()
    {
        yield return PtxCase.Unary<uint, int>("popc.b32 %r, %a;", a => Binary(a, 32).Count(bit => bit == '1'));
        yield return PtxCase.Unary<ulong, int>("popc.b64 %r, %a;", a => Binary(a, 64).Count(bit => bit == '1'));
        yield return PtxCase.Unary<uint, int>("clz.b32 %r, %a;", a => Leading(a, 32));
        yield return PtxCase.Unary<ulong, int>("clz.b64 %r, %a;", a => Leading(a, 64));
        yield return PtxCase.Unary<uint, uint>("brev.b32 %r, %a;",
            a => Convert.ToUInt32(new string([.. Binary(a, 32).Reverse()]), 2));
        yield return PtxCase.Unary<ulong, ulong>("brev.b64 %r, %a;",
            a => Convert.ToUInt64(new string([.. Binary(a, 64).Reverse()]), 2));

        static int Leading(ulong value, int bits) => Binary(value, bits).TakeWhile(bit => bit == '0').Count();
    }

    /// <remarks>The leading bit of a negative number is its first 0. For 0 and −1, which have none, the result is
    /// −1.</remarks>
    private static IEnumerable<PtxCase> FindLeading()
    {
        yield return PtxCase.Unary<uint, int>("bfind.u32 %r, %a;", a => Leading(a, 32));
        yield return PtxCase.Unary<int, int>("bfind.s32 %r, %a;", a => Leading(a < 0 ? ~(uint)a : (uint)a, 32));
        yield return PtxCase.Unary<ulong, int>("bfind.u64 %r, %a;", a => Leading(a, 64));
        yield return PtxCase.Unary<long, int>("bfind.s64 %r, %a;", a => Leading(a < 0 ? ~(ulong)a : (ulong)a, 64));
        yield return PtxCase.Unary<uint, int>(
            "bfind.shiftamt.u32 %r, %a;", a => a == 0 ? -1 : 31 - Leading(a, 32));

        static int Leading(ulong value, int bits) =>
            value == 0 ? -1 : bits - 1 - Binary(value, bits).IndexOf('1', StringComparison.Ordinal);
    }

    private static IEnumerable<PtxCase> Fields()
    {
        uint[] positions = [0, 1, 7, 8, 16, 30, 31, 32, 40, 63, 64, 255, 256];
        uint[] lengths = [0, 1, 4, 8, 16, 31, 32, 33, 64, 255, 257];
        ulong[] longs = [0, 1, ulong.MaxValue, 1UL << 63, 0x0123_4567_89AB_CDEF, 0xFEDC_BA98_7654_3210];
        int[] ints = [.. s_words.Select(word => (int)word)];
        long[] signedLongs = [.. longs.Select(word => (long)word)];
        yield return PtxCase.Ternary<uint, uint, uint, uint>("bfe.u32 %r, %a, %b, %c;",
            (a, b, c) => (uint)Field(a, 32, false, b, c), s_words, positions, lengths);
        yield return PtxCase.Ternary<int, uint, uint, int>("bfe.s32 %r, %a, %b, %c;",
            (a, b, c) => (int)Field((uint)a, 32, true, b, c), ints, positions, lengths);
        yield return PtxCase.Ternary<ulong, uint, uint, ulong>("bfe.u64 %r, %a, %b, %c;",
            (a, b, c) => Field(a, 64, false, b, c), longs, positions, lengths);
        yield return PtxCase.Ternary<long, uint, uint, long>("bfe.s64 %r, %a, %b, %c;",
            (a, b, c) => (long)Field((ulong)a, 64, true, b, c), signedLongs, positions, lengths);
        yield return PtxCase.Quaternary<uint, uint, uint, uint, uint>("bfi.b32 %r, %a, %b, %c, %d;",
            (a, b, c, d) => (uint)Inserted(a, b, 32, c, d), s_words, s_words[..5], positions, lengths);
        yield return PtxCase.Quaternary<ulong, ulong, uint, uint, ulong>("bfi.b64 %r, %a, %b, %c, %d;",
            (a, b, c, d) => Inserted(a, b, 64, c, d), longs, longs, positions, lengths);
    }

    private static IEnumerable<PtxCase> Permutations()
    {
        uint[] selectors = [0x3210, 0x7654, 0x0123, 0x5410, 0x6420, 0xBA98, 0xFEDC, 0x8888, 0xFFFF_7531, 0x80F7];
        yield return PtxCase.Ternary<uint, uint, uint, uint>("prmt.b32 %r, %a, %b, %c;", (a, b, c) =>
        {
            byte[] bytes = [.. BitConverter.GetBytes(a), .. BitConverter.GetBytes(b)];
            uint result = 0;
            for (int index = 0; index < 4; index++)
            {
                uint selector = (c >> (4 * index)) & 15;
                uint value = bytes[selector & 7];
                if (selector >= 8)
                    value = value >= 128 ? 255u : 0;
                result |= value << (8 * index);
            }
            return result;
        }, s_words, s_words, selectors);
        foreach ((string mode, string[] orders) in new (string, string[])[]
        {
            // For each selector value the bytes of the result, highest first; 7 to 4 are bytes of b, 3 to 0 bytes of
            // a.
            ("f4e", ["3210", "4321", "5432", "6543"]), ("b4e", ["5670", "6701", "7012", "0123"]),
            ("rc8", ["0000", "1111", "2222", "3333"]), ("ecl", ["3210", "3211", "3222", "3333"]),
            ("ecr", ["0000", "1110", "2210", "3210"]), ("rc16", ["1010", "3232", "1010", "3232"]),
        })
            yield return PtxCase.Ternary<uint, uint, uint, uint>($"prmt.b32.{mode} %r, %a, %b, %c;", (a, b, c) =>
            {
                byte[] bytes = [.. BitConverter.GetBytes(a), .. BitConverter.GetBytes(b)];
                return orders[c & 3].Aggregate(0u, (result, digit) => (result << 8) | bytes[digit - '0']);
            }, s_words, s_words, [0, 1, 2, 3, 4, 7, 0xFFFF_FFFE]);
        foreach (int table in new[] { 0x00, 0x01, 0x3C, 0x96, 0xC0, 0xCA, 0xE8, 0xF0, 0xFE, 0xFF })
            yield return PtxCase.Ternary<uint, uint, uint, uint>($"lop3.b32 %r, %a, %b, %c, {table};", (a, b, c) =>
            {
                uint result = 0;
                for (int bit = 0; bit < 32; bit++)
                {
                    uint row = (((a >> bit) & 1) * 4) + (((b >> bit) & 1) * 2) + ((c >> bit) & 1);
                    result |= (((uint)table >> (int)row) & 1) << bit;
                }
                return result;
            }, s_words, s_words, s_words);
    }

    private static IEnumerable<PtxCase> Table() =>
    [
        .. Logic<ushort>("b16"), .. Logic<uint>("b32"), .. Logic<ulong>("b64"), .. PredicateLogic(),
        .. Shifts<ushort>("u16", 16), .. Shifts<uint>("u32", 32), .. Shifts<ulong>("u64", 64),
        .. Shifts<ushort>("b16", 16), .. Shifts<uint>("b32", 32), .. Shifts<ulong>("b64", 64),
        .. Shifts<short>("s16", 16), .. Shifts<int>("s32", 32), .. Shifts<long>("s64", 64),
        .. FunnelShifts(), .. Counting(), .. FindLeading(), .. Fields(), .. Permutations(),
    ];

    [TestCaseSource(nameof(Table))]
    public void Bit_manipulation_has_the_expected_result(PtxCase table) => table.Verify();

    private static string Binary(ulong value, int bits) => Convert.ToString((long)value, 2).PadLeft(bits, '0');

    /// <summary>The pseudocode of bfe in the ISA, bit by bit.</summary>
    private static ulong Field(ulong value, int bits, bool isSigned, uint position, uint length)
    {
        int pos = (int)(position & 255);
        int len = (int)(length & 255);
        ulong sign = isSigned && len > 0 ? (value >> Math.Min(pos + len - 1, bits - 1)) & 1 : 0;
        ulong result = 0;
        for (int bit = 0; bit < bits; bit++)
            result |= (bit < len && pos + bit < bits ? (value >> (pos + bit)) & 1 : sign) << bit;
        return result;
    }

    /// <summary>The pseudocode of bfi in the ISA, bit by bit.</summary>
    private static ulong Inserted(ulong field, ulong value, int bits, uint position, uint length)
    {
        int pos = (int)(position & 255);
        int len = (int)(length & 255);
        for (int bit = 0; bit < len && pos + bit < bits; bit++)
            value = (value & ~(1UL << (pos + bit))) | (((field >> bit) & 1) << (pos + bit));
        return value;
    }
}
