using System.Numerics;

namespace PtxEmulator.Tests;

/// <summary>PTX ISA 9.7.9.22: cvt between integers, between floating-point formats, and between the two.</summary>
internal sealed class ConversionTests
{
    private static readonly (string Suffix, Rounding Rounding)[] s_whole =
        [("rni", Rounding.NearestEven), ("rzi", Rounding.TowardZero), ("rmi", Rounding.Down), ("rpi", Rounding.Up)];

    /// <summary>Truncation or sign extension; with .sat, the nearest number of the target type.</summary>
    /// <remarks>The ISA allows .sat only if the target type does not contain every number of the source
    /// type.</remarks>
    private static IEnumerable<PtxCase> FromInteger<TSource>(string source)
        where TSource : unmanaged, IBinaryInteger<TSource>, IMinMaxValue<TSource>
    {
        return
        [
            .. To<short>("s16"), .. To<ushort>("u16"), .. To<int>("s32"), .. To<uint>("u32"), .. To<long>("s64"),
            .. To<ulong>("u64"), .. ToFloat<float>("f32"), .. ToFloat<double>("f64"), .. ToFloat<Half>("f16"),
        ];

        IEnumerable<PtxCase> To<T>(string target)
            where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T>
        {
            yield return PtxCase.Unary<TSource, T>($"cvt.{target}.{source} %r, %a;", T.CreateTruncating);
            if (TSource.CreateSaturating(T.MinValue) != TSource.MinValue
                || TSource.CreateSaturating(T.MaxValue) != TSource.MaxValue)
                yield return PtxCase.Unary<TSource, T>($"cvt.sat.{target}.{source} %r, %a;", T.CreateSaturating);
        }

        IEnumerable<PtxCase> ToFloat<T>(string target)
            where T : unmanaged =>
            from mode in FloatFormat.Directed
            select PtxCase.Unary<TSource, T>($"cvt.{mode.Suffix}.{target}.{source} %r, %a;", a => Values.FromBits<T>(
                Values.FormatOf<T>()!.Round(new(BigInteger.CreateChecked(a), 0), mode.Rounding)));
    }

    /// <summary>Bytes in wider registers: a source ignores the upper part, and a result is extended into
    /// it.</summary>
    private static IEnumerable<PtxCase> Bytes()
    {
        yield return PtxCase.Unary<int, int>("cvt.s8.s32 %r, %a;", a => (sbyte)a);
        yield return PtxCase.Unary<int, int>("cvt.u8.s32 %r, %a;", a => (byte)a);
        yield return PtxCase.Unary<int, int>("cvt.s32.s8 %r, %a;", a => (sbyte)a);
        yield return PtxCase.Unary<int, int>("cvt.u32.u8 %r, %a;", a => (byte)a);
        yield return PtxCase.Unary<short, long>("cvt.s64.s8 %r, %a;", a => (sbyte)a);
        yield return PtxCase.Unary<short, short>("cvt.s8.s16 %r, %a;", a => (sbyte)a);
        yield return PtxCase.Unary<short, float>("cvt.rn.f32.s8 %r, %a;", a => (sbyte)a);
        yield return PtxCase.Unary<short, float>("cvt.rn.f32.u8 %r, %a;", a => (byte)a);
        yield return PtxCase.Unary<int, int>(
            "cvt.sat.s8.s32 %r, %a;", a => Math.Clamp(a, sbyte.MinValue, sbyte.MaxValue));
        yield return PtxCase.Unary<int, int>(
            "cvt.sat.u8.s32 %r, %a;", a => Math.Clamp(a, byte.MinValue, byte.MaxValue));
        yield return PtxCase.Unary<float, int>("cvt.rni.s8.f32 %r, %a;", a => (int)FloatFormat.F32.ToInteger(
            Values.ToBits(a), Rounding.NearestEven, sbyte.MinValue, sbyte.MaxValue));
        yield return PtxCase.Unary<float, int>("cvt.rzi.u8.f32 %r, %a;", a => (int)FloatFormat.F32.ToInteger(
            Values.ToBits(a), Rounding.TowardZero, byte.MinValue, byte.MaxValue));
    }

    /// <summary>Rounds, then clamps to the target type even without .sat; NaN becomes 0.</summary>
    private static IEnumerable<PtxCase> ToInteger<TSource>(string source, params TSource[] more)
        where TSource : unmanaged
    {
        FloatFormat format = Values.FormatOf<TSource>()!;
        TSource[] values = [.. Values.Of<TSource>(), .. more];
        return
        [
            .. To<short>("s16"), .. To<ushort>("u16"), .. To<int>("s32"), .. To<uint>("u32"), .. To<long>("s64"),
            .. To<ulong>("u64"),
        ];

        IEnumerable<PtxCase> To<T>(string target)
            where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T>
        {
            BigInteger least = BigInteger.CreateChecked(T.MinValue);
            BigInteger most = BigInteger.CreateChecked(T.MaxValue);
            foreach ((string suffix, Rounding rounding) in s_whole)
                yield return PtxCase.Unary<TSource, T>($"cvt.{suffix}.{target}.{source} %r, %a;",
                    a => T.CreateChecked(format.ToInteger(Values.ToBits(a), rounding, least, most)), values);
            yield return PtxCase.Unary<TSource, T>($"cvt.rni.sat.{target}.{source} %r, %a;",
                a => T.CreateChecked(format.ToInteger(Values.ToBits(a), Rounding.NearestEven, least, most)), values);
        }
    }

    private static IEnumerable<PtxCase> AmongFloats()
    {
        float[] floats = [.. Values.Of<float>(), .. Ties()];
        double[] doubles = [.. Values.Of<double>(), .. Ties().Select(value => (double)value),
            1 + Math.ScaleB(1, -24), 1 + (3 * Math.ScaleB(1, -24)), 1 + Math.ScaleB(1, -24) + Math.ScaleB(1, -50),
            Math.ScaleB(1, -150), Math.ScaleB(1.5, -150), Math.ScaleB(1, 128) - Math.ScaleB(1, 103)];
        return
        [
            Widening<Half, float>("f32.f16"), Widening<Half, double>("f64.f16"), Widening<float, double>("f64.f32"),
            Widening<BFloat16, float>("f32.bf16"),
            .. Narrowing<float, Half>("f16.f32", floats, FloatFormat.Directed),
            .. Narrowing<double, Half>("f16.f64", doubles, FloatFormat.Directed),
            .. Narrowing<double, float>("f32.f64", doubles, FloatFormat.Directed),
            .. Narrowing<float, BFloat16>("bf16.f32", floats, FloatFormat.Directed[..2]),
            .. Whole<float>("f32", [.. floats, 0.5f, 1.5f, 2.5f, -0.5f, -2.5f, 8388607.5f]),
            .. Whole<double>("f64", [.. doubles, 0.5, 1.5, -2.5, 4503599627370495.5]),
            .. Whole<Half>("f16", Values.Of<Half>()),
        ];

        static PtxCase Widening<TSource, T>(string types)
            where TSource : unmanaged
            where T : unmanaged => PtxCase.Unary<TSource, T>($"cvt.{types} %r, %a;",
                a => Converted<TSource, T>(a, Rounding.NearestEven));

        static IEnumerable<PtxCase> Narrowing<TSource, T>(
            string types, TSource[] values, (string Suffix, Rounding Rounding)[] modes)
            where TSource : unmanaged
            where T : unmanaged =>
            from mode in modes
            select PtxCase.Unary($"cvt.{mode.Suffix}.{types} %r, %a;",
                (TSource a) => Converted<TSource, T>(a, mode.Rounding), values);

        static IEnumerable<PtxCase> Whole<T>(string type, T[] values)
            where T : unmanaged =>
            from mode in s_whole
            select PtxCase.Unary($"cvt.{mode.Suffix}.{type}.{type} %r, %a;", (T a) => Values.FromBits<T>(
                Values.FormatOf<T>()!.RoundToWhole(Values.ToBits(a), mode.Rounding)), values);
    }

    /// <summary>Packs two floats into one register; the first goes into the upper half.</summary>
    private static IEnumerable<PtxCase> Packs()
    {
        float[] floats = [.. Values.Of<float>(), .. Ties()];
        float[] few = [.. floats.Where((_, index) => index % 5 == 0)];
        yield return Pack<Half>("rn.f16x2", Rounding.NearestEven);
        yield return Pack<Half>("rz.f16x2", Rounding.TowardZero);
        yield return Pack<BFloat16>("rn.bf16x2", Rounding.NearestEven);
        yield return Pack<BFloat16>("rz.bf16x2", Rounding.TowardZero);

        PtxCase Pack<T>(string name, Rounding rounding)
            where T : unmanaged => PtxCase.Binary<float, float, Packed<T>>($"cvt.{name}.f32 %r, %a, %b;",
                (a, b) => new(Converted<float, T>(b, rounding), Converted<float, T>(a, rounding)), floats, few);
    }

    /// <summary>A tf32 number is in the upper 19 bits. The ISA does not define the other bits.</summary>
    private static IEnumerable<PtxCase> TensorFloats()
    {
        float[] values = [.. Values.Of<float>().Where(value => !float.IsNaN(value)), .. Ties()];
        yield return PtxCase.Unary<float, uint>(
            "cvt.rna.tf32.f32 %t, %a; and.b32 %r, %t, 0xFFFFE000;", a => (uint)FloatFormat.F32.Convert(
                Values.ToBits(a), FloatFormat.TF32, Rounding.NearestAway) << 13, values);
    }

    private static IEnumerable<PtxCase> SaturatedAndFlushed()
    {
        FloatFormat format = FloatFormat.F32;
        yield return Single("cvt.sat.f32.f32", format.Saturated);
        yield return Single("cvt.ftz.f32.f32", format.Flushed);
        yield return Single("cvt.rzi.ftz.f32.f32",
            bits => format.RoundToWhole(format.Flushed(bits), Rounding.TowardZero));
        yield return PtxCase.Unary<float, Half>("cvt.rn.sat.f16.f32 %r, %a;", a => Values.FromBits<Half>(
            FloatFormat.F16.Saturated(format.Convert(Values.ToBits(a), FloatFormat.F16))));
        yield return PtxCase.Unary<float, int>("cvt.rpi.ftz.s32.f32 %r, %a;", a => (int)format.ToInteger(
            format.Flushed(Values.ToBits(a)), Rounding.Up, int.MinValue, int.MaxValue));
        yield return PtxCase.Unary<float, double>("cvt.ftz.f64.f32 %r, %a;", a => Values.FromBits<double>(
            format.Convert(format.Flushed(Values.ToBits(a)), FloatFormat.F64)));

        static PtxCase Single(string name, Func<ulong, ulong> expected) => PtxCase.Unary<float, float>(
            $"{name} %r, %a;", a => Values.FromBits<float>(expected(Values.ToBits(a))));
    }

    private static IEnumerable<PtxCase> Table() =>
    [
        .. FromInteger<short>("s16"), .. FromInteger<ushort>("u16"), .. FromInteger<int>("s32"),
        .. FromInteger<uint>("u32"), .. FromInteger<long>("s64"), .. FromInteger<ulong>("u64"), .. Bytes(),
        .. ToInteger("f32", 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 32767.5f, 65535.5f, 2147483520f, 2147483648f,
            -2147483648f, 4294967040f, 4294967296f, 9.2233715e18f, 9.223372e18f, 1.8446743e19f, 1.8446744e19f),
        .. ToInteger("f64", 0.5, 1.5, -2.5, 2147483646.5, 2147483647.5, -2147483648.5, 4294967295.5,
            9.2233720368547748e18, 9.2233720368547758e18, -9.2233720368547758e18, 1.8446744073709550e19,
            1.8446744073709552e19),
        .. ToInteger("f16", (Half)0.5f, (Half)1.5f, (Half)2.5f, (Half)(-0.5f), (Half)32752f, (Half)32768f),
        .. AmongFloats(), .. Packs(), .. TensorFloats(), .. SaturatedAndFlushed(),
    ];

    [TestCaseSource(nameof(Table))]
    public void A_conversion_has_the_expected_result(PtxCase table) => table.Verify();

    private static T Converted<TSource, T>(TSource value, Rounding rounding)
        where TSource : unmanaged
        where T : unmanaged => Values.FromBits<T>(Values.FormatOf<TSource>()!.Convert(
            Values.ToBits(value), Values.FormatOf<T>()!, rounding));

    /// <summary>Floats halfway between two neighbours in f16, bf16 and tf32, and the floats next to them.</summary>
    private static IEnumerable<float> Ties() =>
        from sign in new uint[] { 0, 0x8000_0000 }
        from exponent in new uint[] { 0x3F80_0000, 0x3880_0000, 0x3300_0000, 0x4780_0000, 0x7F00_0000, 0x0080_0000, 0 }
        from fraction in new uint[] { 0x1000, 0x3000, 0x8000, 0x1_8000, 0x7F_F000, 0x7F_8000, 0x40_0000 }
        from beside in new[] { -1, 0, 1 }
        select BitConverter.UInt32BitsToSingle((uint)((sign | exponent | fraction) + beside));
}
