using System.Numerics;

namespace PtxEmulator.Tests;

/// <summary>PTX ISA 9.7.1: integer arithmetic. Results wrap around unless the instruction saturates.</summary>
internal sealed class IntegerTests
{
    private static IEnumerable<PtxCase> Signed<T>(string type)
        where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T>, ISignedNumber<T>
    {
        yield return PtxCase.Unary<T, T>($"neg.{type} %r, %a;", a => T.Zero - a);
        yield return PtxCase.Unary<T, T>($"abs.{type} %r, %a;", a => a < T.Zero ? T.Zero - a : a);
        // The smallest number has no positive counterpart: divided by −1 it wraps around to itself.
        T[] divisors = [.. Values.Of<T>().Where(value => value != T.Zero)];
        yield return PtxCase.Binary<T, T, T>(
            $"div.{type} %r, %a, %b;", (a, b) => Wrapped<T>(Big(a) / Big(b)), null, divisors);
        yield return PtxCase.Binary<T, T, T>(
            $"rem.{type} %r, %a, %b;", (a, b) => Wrapped<T>(BigInteger.Remainder(Big(a), Big(b))), null, divisors);
    }

    private static IEnumerable<PtxCase> Unsigned<T>(string type)
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        T[] divisors = [.. Values.Of<T>().Where(value => value != T.Zero)];
        yield return PtxCase.Binary<T, T, T>($"div.{type} %r, %a, %b;", (a, b) => a / b, null, divisors);
        yield return PtxCase.Binary<T, T, T>($"rem.{type} %r, %a, %b;", (a, b) => a % b, null, divisors);
    }

    private static IEnumerable<PtxCase> Common<T>(string type, int bits)
        where T : unmanaged, IBinaryInteger<T>
    {
        T[] few = [.. Values.Of<T>().Where((_, index) => index % 5 == 1)];
        yield return PtxCase.Binary<T, T, T>($"add.{type} %r, %a, %b;", (a, b) => Wrapped<T>(Big(a) + Big(b)));
        yield return PtxCase.Binary<T, T, T>($"sub.{type} %r, %a, %b;", (a, b) => Wrapped<T>(Big(a) - Big(b)));
        yield return PtxCase.Binary<T, T, T>($"mul.lo.{type} %r, %a, %b;", (a, b) => Wrapped<T>(Big(a) * Big(b)));
        yield return PtxCase.Binary<T, T, T>(
            $"mul.hi.{type} %r, %a, %b;", (a, b) => Wrapped<T>((Big(a) * Big(b)) >> bits));
        yield return PtxCase.Binary<T, T, T>($"min.{type} %r, %a, %b;", T.Min);
        yield return PtxCase.Binary<T, T, T>($"max.{type} %r, %a, %b;", T.Max);
        yield return PtxCase.Ternary<T, T, T, T>(
            $"mad.lo.{type} %r, %a, %b, %c;", (a, b, c) => Wrapped<T>((Big(a) * Big(b)) + Big(c)), few, few, few);
        yield return PtxCase.Ternary<T, T, T, T>($"mad.hi.{type} %r, %a, %b, %c;",
            (a, b, c) => Wrapped<T>(((Big(a) * Big(b)) >> bits) + Big(c)), few, few, few);
    }

    private static IEnumerable<PtxCase> Wide<T, TWide>(string type)
        where T : unmanaged, IBinaryInteger<T>
        where TWide : unmanaged, IBinaryInteger<TWide>
    {
        T[] few = [.. Values.Of<T>().Where((_, index) => index % 5 == 1)];
        TWide[] addends = [.. Values.Of<TWide>().Where((_, index) => index % 7 == 1)];
        yield return PtxCase.Binary<T, T, TWide>(
            $"mul.wide.{type} %r, %a, %b;", (a, b) => Wrapped<TWide>(Big(a) * Big(b)));
        yield return PtxCase.Ternary<T, T, TWide, TWide>($"mad.wide.{type} %r, %a, %b, %c;",
            (a, b, c) => Wrapped<TWide>((Big(a) * Big(b)) + Big(c)), few, few, addends);
    }

    private static IEnumerable<PtxCase> Saturated()
    {
        yield return PtxCase.Binary<int, int, int>("add.sat.s32 %r, %a, %b;", (a, b) => Clamped((long)a + b));
        yield return PtxCase.Binary<int, int, int>("sub.sat.s32 %r, %a, %b;", (a, b) => Clamped((long)a - b));
    }

    private static IEnumerable<PtxCase> Narrow()
    {
        uint[] few = [.. Values.Of<uint>().Where((_, index) => index % 3 == 1)];
        int[] fewSigned = [.. few.Select(value => (int)value)];
        yield return PtxCase.Binary<uint, uint, uint>("mul24.lo.u32 %r, %a, %b;", (a, b) => (uint)Product(a, b));
        yield return PtxCase.Binary<uint, uint, uint>(
            "mul24.hi.u32 %r, %a, %b;", (a, b) => (uint)(Product(a, b) >> 16));
        yield return PtxCase.Binary<int, int, int>(
            "mul24.lo.s32 %r, %a, %b;", (a, b) => (int)SignedProduct(a, b));
        yield return PtxCase.Binary<int, int, int>(
            "mul24.hi.s32 %r, %a, %b;", (a, b) => (int)(SignedProduct(a, b) >> 16));
        yield return PtxCase.Ternary<uint, uint, uint, uint>(
            "mad24.lo.u32 %r, %a, %b, %c;", (a, b, c) => (uint)Product(a, b) + c, few, few, few);
        yield return PtxCase.Ternary<int, int, int, int>("sad.s32 %r, %a, %b, %c;",
            (a, b, c) => c + (a < b ? b - a : a - b), fewSigned, fewSigned, fewSigned);
        yield return PtxCase.Ternary<uint, uint, uint, uint>("sad.u32 %r, %a, %b, %c;",
            (a, b, c) => c + (a < b ? b - a : a - b), few, few, few);

        static ulong Product(uint a, uint b) => (ulong)(a & 0xFF_FFFF) * (b & 0xFF_FFFF);

        static long SignedProduct(int a, int b) => (long)(a << 8 >> 8) * (b << 8 >> 8);
    }

    /// <summary>64-bit arithmetic on 32-bit halves with the carry flag.</summary>
    private static IEnumerable<PtxCase> Carries()
    {
        ulong[] values = [.. Values.Of<ulong>(), 0xFFFF_FFFF_0000_0000, 0x7FFF_FFFF_FFFF_FFFF];
        yield return Halves("add.cc.u32 %t, %t, %x; addc.u32 %u, %u, %y;", (a, b) => a + b);
        yield return Halves("sub.cc.u32 %t, %t, %x; subc.u32 %u, %u, %y;", (a, b) => a - b);
        yield return Halves("add.cc.u32 %t, %t, %x; addc.cc.u32 %u, %u, %y; addc.u32 %t, 0, 0; mov.u32 %u, 0;",
            (a, b) => (ulong)(((UInt128)a + b) >> 64));
        yield return Halves("sub.cc.u32 %t, %t, %x; subc.cc.u32 %u, %u, %y; subc.u32 %t, 0, 0; mov.u32 %u, 0;",
            (a, b) => a < b ? uint.MaxValue : 0);
        yield return Halves("""
            mul.lo.u32 %l, %t, %x; mul.hi.u32 %h, %t, %x; mad.lo.u32 %h, %t, %y, %h; mad.lo.u32 %h, %u, %x, %h;
            mov.u32 %t, %l; mov.u32 %u, %h;
            """, (a, b) => a * b);
        yield return Halves("mad.lo.cc.u32 %l, %t, %x, %x; madc.hi.u32 %h, %t, %x, %y; mov.u32 %t, %l; mov.u32 %u, %h;",
            (a, b) => ((ulong)(uint)a * (uint)b) + b);

        PtxCase Halves(string instructions, Func<ulong, ulong, ulong> expected) => PtxCase.Binary(
            "{ .reg .b32 %x, %y, %l, %h; mov.b64 {%t, %u}, %a; mov.b64 {%x, %y}, %b; "
            + instructions + " mov.b64 %r, {%t, %u}; }", expected, values, values);
    }

    private static IEnumerable<PtxCase> Table() =>
    [
        .. Common<short>("s16", 16), .. Common<int>("s32", 32), .. Common<long>("s64", 64),
        .. Common<ushort>("u16", 16), .. Common<uint>("u32", 32), .. Common<ulong>("u64", 64),
        .. Signed<short>("s16"), .. Signed<int>("s32"), .. Signed<long>("s64"),
        .. Unsigned<ushort>("u16"), .. Unsigned<uint>("u32"), .. Unsigned<ulong>("u64"),
        .. Wide<short, int>("s16"), .. Wide<int, long>("s32"),
        .. Wide<ushort, uint>("u16"), .. Wide<uint, ulong>("u32"),
        .. Saturated(), .. Narrow(), .. Carries(),
    ];

    [TestCaseSource(nameof(Table))]
    public void Integer_arithmetic_has_the_expected_result(PtxCase table) => table.Verify();

    /// <remarks>The ISA leaves the result undefined. Real GPUs do not trap, so the emulator must not
    /// either.</remarks>
    [TestCase("div.s32"), TestCase("rem.s32"), TestCase("div.u32"), TestCase("rem.u32"), TestCase("div.s64"),
        TestCase("rem.u64")]
    public void Division_by_zero_does_not_trap(string operation)
    {
        using KernelRun run = new($$"""
            .visible .entry divide(.param .u64 result)
            {
                .reg .b64 %out, %a, %b;
                .reg .b32 %c, %d;
                mov.u64 %a, 5;
                mov.u64 %b, 0;
                mov.u32 %c, 5;
                mov.u32 %d, 0;
                {{operation}} {{(operation.EndsWith("64", StringComparison.Ordinal) ? "%a, %a, %b" : "%c, %c, %d")}};
                ld.param.u64 %out, [result];
                mov.u32 %c, 1;
                st.global.u32 [%out], %c;
                ret;
            }
            """);
        ulong result = run.Buffer(new int[1]);

        run.Launch(1, 1, result);

        Assert.That(run.Read<int>(result, 1), Is.EqualTo(new[] { 1 }));
    }

    private static BigInteger Big<T>(T value)
        where T : IBinaryInteger<T> => BigInteger.CreateChecked(value);

    private static T Wrapped<T>(BigInteger value)
        where T : IBinaryInteger<T> => T.CreateTruncating(value);

    private static int Clamped(long value) => (int)Math.Clamp(value, int.MinValue, int.MaxValue);
}
