namespace PtxEmulator.Tests;

/// <summary>PTX ISA 9.7.3 and 9.7.4: floating-point arithmetic, compared with exact arithmetic that is rounded
/// once.</summary>
internal sealed class FloatTests
{
    /// <summary>The cases that all formats share. Without a rounding modifier, the default is .rn.</summary>
    private static IEnumerable<PtxCase> Arithmetic<T>(string type, params string[] roundings)
        where T : unmanaged
    {
        FloatFormat format = Values.FormatOf<T>()!;
        foreach ((string suffix, Rounding rounding) in FloatFormat.Directed)
        {
            if (!roundings.Contains(suffix))
                continue;
            yield return Binary<T>($"add.{suffix}.{type}", (a, b) => format.Add(a, b, rounding));
            yield return Binary<T>($"sub.{suffix}.{type}", (a, b) => format.Subtract(a, b, rounding));
            yield return Binary<T>($"mul.{suffix}.{type}", (a, b) => format.Multiply(a, b, rounding));
            yield return Ternary<T>($"fma.{suffix}.{type}", (a, b, c) => format.FusedMultiplyAdd(a, b, c, rounding));
        }
        yield return Binary<T>($"add.{type}", (a, b) => format.Add(a, b));
        yield return Binary<T>($"sub.{type}", (a, b) => format.Subtract(a, b));
        yield return Binary<T>($"mul.{type}", (a, b) => format.Multiply(a, b));
        yield return Binary<T>($"min.{type}", (a, b) => format.Extreme(a, b, largest: false));
        yield return Binary<T>($"max.{type}", (a, b) => format.Extreme(a, b, largest: true));
        yield return Unary<T>($"neg.{type}", a => a ^ format.SignBit);
        yield return Unary<T>($"abs.{type}", a => a & ~format.SignBit);
    }

    private static IEnumerable<PtxCase> Division<T>(string type, params string[] roundings)
        where T : unmanaged
    {
        FloatFormat format = Values.FormatOf<T>()!;
        foreach ((string suffix, Rounding rounding) in FloatFormat.Directed)
        {
            if (!roundings.Contains(suffix))
                continue;
            yield return Binary<T>($"div.{suffix}.{type}", (a, b) => format.Divide(a, b, rounding));
            yield return Unary<T>($"rcp.{suffix}.{type}", a => format.Divide(format.One, a, rounding));
            yield return Unary<T>($"sqrt.{suffix}.{type}", a => format.SquareRoot(a, rounding));
        }
    }

    private static IEnumerable<PtxCase> FlushedAndSaturated()
    {
        FloatFormat format = FloatFormat.F32;
        yield return Binary<float>("add.ftz.f32", Flushed((a, b) => format.Add(a, b)));
        yield return Binary<float>("sub.ftz.f32", Flushed((a, b) => format.Subtract(a, b)));
        yield return Binary<float>("mul.rn.ftz.f32", Flushed((a, b) => format.Multiply(a, b)));
        yield return Binary<float>("div.rn.ftz.f32", Flushed((a, b) => format.Divide(a, b)));
        yield return Binary<float>("min.ftz.f32", Flushed((a, b) => format.Extreme(a, b, largest: false)));
        yield return Binary<float>("max.ftz.f32", Flushed((a, b) => format.Extreme(a, b, largest: true)));
        yield return Unary<float>("neg.ftz.f32", a => format.Flushed(a) ^ format.SignBit);
        yield return Unary<float>("abs.ftz.f32", a => format.Flushed(a) & ~format.SignBit);
        yield return Unary<float>("rcp.rn.ftz.f32", a => format.Flushed(format.Divide(format.One, format.Flushed(a))));
        yield return Unary<float>("sqrt.rn.ftz.f32", a => format.SquareRoot(format.Flushed(a)));
        yield return Ternary<float>("fma.rn.ftz.f32", (a, b, c) => format.Flushed(
            format.FusedMultiplyAdd(format.Flushed(a), format.Flushed(b), format.Flushed(c))));

        yield return Binary<float>("add.sat.f32", (a, b) => format.Saturated(format.Add(a, b)));
        yield return Binary<float>("sub.sat.f32", (a, b) => format.Saturated(format.Subtract(a, b)));
        yield return Binary<float>("mul.sat.f32", (a, b) => format.Saturated(format.Multiply(a, b)));
        yield return Binary<float>("mul.ftz.sat.f32", (a, b) => format.Saturated(Flushed(
            (first, second) => format.Multiply(first, second))(a, b)));
        yield return Ternary<float>(
            "fma.rn.sat.f32", (a, b, c) => format.Saturated(format.FusedMultiplyAdd(a, b, c)));

        static Func<ulong, ulong, ulong> Flushed(Func<ulong, ulong, ulong> operation) => (a, b) =>
            FloatFormat.F32.Flushed(operation(FloatFormat.F32.Flushed(a), FloatFormat.F32.Flushed(b)));
    }

    private static IEnumerable<PtxCase> HalfOnly()
    {
        FloatFormat format = FloatFormat.F16;
        yield return Binary<Half>("add.ftz.f16",
            (a, b) => format.Flushed(format.Add(format.Flushed(a), format.Flushed(b))));
        yield return Binary<Half>("mul.ftz.f16",
            (a, b) => format.Flushed(format.Multiply(format.Flushed(a), format.Flushed(b))));
        yield return Binary<Half>("add.sat.f16", (a, b) => format.Saturated(format.Add(a, b)));
        yield return Ternary<Half>(
            "fma.rn.sat.f16", (a, b, c) => format.Saturated(format.FusedMultiplyAdd(a, b, c)));
    }

    private static IEnumerable<PtxCase> Pairs<T>(string type)
        where T : unmanaged
    {
        FloatFormat format = Values.FormatOf<T>()!;
        Packed<T>[] few = [.. Values.Of<Packed<T>>().Where((_, index) => index % 3 == 0)];
        yield return Pair($"add.rn.{type}x2", (a, b) => format.Add(a, b));
        yield return Pair($"sub.rn.{type}x2", (a, b) => format.Subtract(a, b));
        yield return Pair($"mul.rn.{type}x2", (a, b) => format.Multiply(a, b));
        yield return Pair($"min.{type}x2", (a, b) => format.Extreme(a, b, largest: false));
        yield return Pair($"max.{type}x2", (a, b) => format.Extreme(a, b, largest: true));
        yield return PtxCase.Unary<Packed<T>, Packed<T>>(
            $"neg.{type}x2 %r, %a;", a => a.Map(One(bits => bits ^ format.SignBit)));
        yield return PtxCase.Unary<Packed<T>, Packed<T>>(
            $"abs.{type}x2 %r, %a;", a => a.Map(One(bits => bits & ~format.SignBit)));
        yield return PtxCase.Ternary<Packed<T>, Packed<T>, Packed<T>, Packed<T>>($"fma.rn.{type}x2 %r, %a, %b, %c;",
            (a, b, c) => new(Fused(a.Low, b.Low, c.Low), Fused(a.High, b.High, c.High)), few, few, few);

        PtxCase Pair(string name, Func<ulong, ulong, ulong> operation) =>
            PtxCase.Binary<Packed<T>, Packed<T>, Packed<T>>($"{name} %r, %a, %b;",
                (a, b) => a.Zip(b, (x, y) => Values.FromBits<T>(operation(Values.ToBits(x), Values.ToBits(y)))));

        static Func<T, T> One(Func<ulong, ulong> operation) => x => Values.FromBits<T>(operation(Values.ToBits(x)));

        T Fused(T a, T b, T c) => Values.FromBits<T>(
            format.FusedMultiplyAdd(Values.ToBits(a), Values.ToBits(b), Values.ToBits(c)));
    }

    /// <summary>.relu replaces a negative result by zero and keeps NaN.</summary>
    private static IEnumerable<PtxCase> Rectified<T>(string type)
        where T : unmanaged
    {
        FloatFormat format = Values.FormatOf<T>()!;
        yield return Ternary<T>($"fma.rn.relu.{type}", (a, b, c) => format.FusedMultiplyAdd(a, b, c) is var sum
            && format.IsNegative(sum) && !format.IsNaN(sum) ? 0 : sum);
        yield return Binary<T>($"min.NaN.{type}", (a, b) => format.Extreme(a, b, false, true));
        yield return Binary<T>($"max.NaN.{type}", (a, b) => format.Extreme(a, b, true, true));
    }

    /// <summary>The bits of NaN where the ISA defines them.</summary>
    private static IEnumerable<PtxCase> NaNs()
    {
        FloatFormat format = FloatFormat.F32;
        uint[] values = [0x7FC0_0000, 0x7F80_0001, 0xFFFF_FFFF, 0x3F80_0000, 0x8000_0000, 0xFF80_0000];
        yield return Bits("min.f32", false, false);
        yield return Bits("max.f32", true, false);
        yield return Bits("min.NaN.f32", false, true);
        yield return Bits("max.NaN.f32", true, true);
        yield return Binary<float>("min.NaN.f32", (a, b) => format.Extreme(a, b, false, true));
        yield return Binary<float>("max.NaN.f32", (a, b) => format.Extreme(a, b, true, true));

        PtxCase Bits(string name, bool largest, bool propagate) => PtxCase.Binary<uint, uint, uint>(
            $"{name} %r, %a, %b;", (a, b) =>
            {
                ulong result = format.Extreme(a, b, largest, propagate);
                return format.IsNaN(result) ? 0x7FFF_FFFF : (uint)result;
            }, values, values);
    }

    private static IEnumerable<PtxCase> SignsAndClasses()
    {
        // copysign transfers the sign of the first operand to the second.
        yield return PtxCase.Binary<uint, uint, uint>(
            "copysign.f32 %r, %a, %b;", (a, b) => (a & 0x8000_0000) | (b & 0x7FFF_FFFF));
        yield return PtxCase.Binary<ulong, ulong, ulong>(
            "copysign.f64 %r, %a, %b;", (a, b) => (a & (1UL << 63)) | (b & (ulong.MaxValue >> 1)));
        foreach ((string name, Func<double, bool, bool> test) in new (string, Func<double, bool, bool>)[]
        {
            ("finite", (value, _) => double.IsFinite(value)),
            ("infinite", (value, _) => double.IsInfinity(value)),
            ("number", (value, _) => !double.IsNaN(value)),
            ("notanumber", (value, _) => double.IsNaN(value)),
            ("normal", (value, isSubnormal) => double.IsFinite(value) && !isSubnormal),
            ("subnormal", (value, isSubnormal) => isSubnormal),
        })
        {
            yield return PtxCase.Unary<float, bool>($"testp.{name}.f32 %r, %a;", a => test(a, float.IsSubnormal(a)));
            yield return PtxCase.Unary<double, bool>($"testp.{name}.f64 %r, %a;", a => test(a, double.IsSubnormal(a)));
        }
    }

    private static IEnumerable<PtxCase> Table() =>
    [
        .. Arithmetic<float>("f32", "rn", "rz", "rm", "rp"), .. Arithmetic<double>("f64", "rn"),
        .. Arithmetic<Half>("f16", "rn"), .. Arithmetic<BFloat16>("bf16", "rn"),
        .. Division<float>("f32", "rn", "rz", "rm", "rp"), .. Division<double>("f64", "rn"),
        .. FlushedAndSaturated(), .. HalfOnly(), .. Pairs<Half>("f16"), .. Pairs<BFloat16>("bf16"),
        .. Rectified<Half>("f16"), .. Rectified<BFloat16>("bf16"), .. NaNs(), .. SignsAndClasses(),
    ];

    [TestCaseSource(nameof(Table))]
    public void Floating_point_arithmetic_has_the_expected_result(PtxCase table) => table.Verify();

    private static PtxCase Unary<T>(string name, Func<ulong, ulong> expected)
        where T : unmanaged => PtxCase.Unary<T, T>(
            $"{name} %r, %a;", a => Values.FromBits<T>(expected(Values.ToBits(a))));

    private static PtxCase Binary<T>(string name, Func<ulong, ulong, ulong> expected)
        where T : unmanaged => PtxCase.Binary<T, T, T>(
            $"{name} %r, %a, %b;", (a, b) => Values.FromBits<T>(expected(Values.ToBits(a), Values.ToBits(b))));

    private static PtxCase Ternary<T>(string name, Func<ulong, ulong, ulong, ulong> expected)
        where T : unmanaged
    {
        T[] factors = [.. Values.Of<T>().Where((_, index) => index % 2 == 0)];
        T[] addends = [.. Values.Of<T>().Where((_, index) => index % 3 != 1)];
        return PtxCase.Ternary<T, T, T, T>($"{name} %r, %a, %b, %c;", (a, b, c) => Values.FromBits<T>(
            expected(Values.ToBits(a), Values.ToBits(b), Values.ToBits(c))), Values.Of<T>(), factors, addends);
    }
}
