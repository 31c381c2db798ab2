using System.Numerics;

namespace PtxEmulator.Tests;

/// <summary>PTX ISA 9.7.5 and 9.7.6: setp, set, selp and slct.</summary>
internal sealed class ComparisonTests
{
    /// <summary>Combines two predicates in one number.</summary>
    private const string Both = "selp.u32 %t, 1, 0, %p; selp.u32 %u, 2, 0, %q; or.b32 %r, %t, %u;";

    private static readonly float[] s_floats =
        [0, -0f, 1, -1, 1.5f, float.Epsilon, -float.Epsilon, float.MaxValue,
            float.PositiveInfinity, float.NegativeInfinity, float.NaN];

    /// <summary>Every comparison operator with its results for less, equal, greater and unordered operands.</summary>
    private static readonly (string Name, bool Less, bool Equal, bool Greater, bool Unordered)[] s_ordered =
    [
        ("eq", false, true, false, false), ("ne", true, false, true, false), ("lt", true, false, false, false),
        ("le", true, true, false, false), ("gt", false, false, true, false), ("ge", false, true, true, false),
    ];

    private static readonly (string Name, bool Less, bool Equal, bool Greater, bool Unordered)[] s_floating =
    [
        .. s_ordered, ("equ", false, true, false, true), ("neu", true, false, true, true),
        ("ltu", true, false, false, true), ("leu", true, true, false, true), ("gtu", false, false, true, true),
        ("geu", false, true, true, true), ("num", true, true, true, false), ("nan", false, false, false, true),
    ];

    private static readonly (string Name, bool Less, bool Equal, bool Greater, bool Unordered)[] s_unsigned =
    [
        .. s_ordered, ("lo", true, false, false, false), ("ls", true, true, false, false),
        ("hi", false, false, true, false), ("hs", false, true, true, false),
    ];

    private static IEnumerable<PtxCase> Comparisons<T>(
        string type, (string Name, bool Less, bool Equal, bool Greater, bool Unordered)[] operators)
        where T : unmanaged, IComparisonOperators<T, T, bool> =>
        from comparison in operators
        select PtxCase.Binary<T, T, bool>($"setp.{comparison.Name}.{type} %r, %a, %b;", (a, b) =>
            a < b ? comparison.Less : a == b ? comparison.Equal : a > b ? comparison.Greater : comparison.Unordered);

    private static IEnumerable<PtxCase> Combinations()
    {
        (string Name, Func<bool, bool, bool> Combine)[] operators =
            [("and", (x, y) => x && y), ("or", (x, y) => x || y), ("xor", (x, y) => x != y)];
        int[] ints = [-1, 0, 1];
        foreach ((string name, Func<bool, bool, bool> combine) in operators)
        {
            yield return PtxCase.Ternary<int, int, bool, bool>($"setp.lt.{name}.s32 %r, %a, %b, %c;",
                (a, b, c) => combine(a < b, c), ints, ints);
            yield return PtxCase.Ternary<int, int, bool, bool>($"setp.lt.{name}.s32 %r, %a, %b, !%c;",
                (a, b, c) => combine(a < b, !c), ints, ints);
            // The second result combines the negated comparison with the same predicate.
            yield return PtxCase.Ternary<int, int, bool, int>(
                $"setp.lt.{name}.s32 %p|%q, %a, %b, %c; {Both}",
                (a, b, c) => (combine(a < b, c) ? 1 : 0) + (combine(!(a < b), c) ? 2 : 0), ints, ints);
            yield return PtxCase.Ternary<float, float, bool, int>(
                $"setp.lt.{name}.f32 %p|%q, %a, %b, %c; {Both}",
                (a, b, c) => (combine(a < b, c) ? 1 : 0) + (combine(!(a < b), c) ? 2 : 0), s_floats, s_floats);
        }
        yield return PtxCase.Binary<int, int, int>(
            $"setp.eq.s32 %p|%q, %a, %b; {Both}",
            (a, b) => a == b ? 1 : 2);
        yield return PtxCase.Binary<float, float, bool>(
            "setp.gt.ftz.f32 %r, %a, %b;", (a, b) => Flushed(a) > Flushed(b));
    }

    /// <summary>The first predicate compares the lower halves, the second the upper halves.</summary>
    private static IEnumerable<PtxCase> Pairs()
    {
        yield return PtxCase.Binary<Packed<Half>, Packed<Half>, int>(
            $"setp.lt.f16x2 %p|%q, %a, %b; {Both}", (a, b) => (a.Low < b.Low ? 1 : 0) + (a.High < b.High ? 2 : 0));
        yield return PtxCase.Binary<Packed<Half>, Packed<Half>, int>(
            $"setp.neu.f16x2 %p|%q, %a, %b; {Both}", (a, b) => (a.Low == b.Low ? 0 : 1) + (a.High == b.High ? 0 : 2));
        yield return PtxCase.Binary<BFloat16, BFloat16, bool>(
            "setp.ge.bf16 %r, %a, %b;", (a, b) => (float)a >= (float)b);
    }

    private static IEnumerable<PtxCase> Sets()
    {
        yield return PtxCase.Binary<int, int, uint>("set.lt.u32.s32 %r, %a, %b;", (a, b) => a < b ? uint.MaxValue : 0);
        yield return PtxCase.Binary<float, float, int>("set.geu.s32.f32 %r, %a, %b;", (a, b) => a < b ? 0 : -1);
        yield return PtxCase.Binary<float, float, float>("set.eq.f32.f32 %r, %a, %b;", (a, b) => a == b ? 1 : 0);
        yield return PtxCase.Binary<uint, uint, float>("set.gt.f32.u32 %r, %a, %b;", (a, b) => a > b ? 1 : 0);
    }

    private static IEnumerable<PtxCase> Selections()
    {
        yield return PtxCase.Ternary<int, int, bool, int>(
            "selp.s32 %r, %a, %b, %c;", (a, b, c) => c ? a : b, [1, -7], [2, 9]);
        yield return PtxCase.Ternary<long, long, bool, long>(
            "selp.b64 %r, %a, %b, %c;", (a, b, c) => c ? a : b, [1, -7], [2, 9]);
        yield return PtxCase.Ternary<short, short, bool, short>(
            "selp.b16 %r, %a, %b, %c;", (a, b, c) => c ? a : b, [1, -7], [2, 9]);
        yield return PtxCase.Ternary<float, float, bool, float>(
            "selp.f32 %r, %a, %b, %c;", (a, b, c) => c ? a : b, s_floats, s_floats);
        yield return PtxCase.Ternary<double, double, bool, double>(
            "selp.f64 %r, %a, %b, %c;", (a, b, c) => c ? a : b, [1, double.NaN], [-0.0, 3]);
        int[] ints = [0, 1, -1, int.MinValue, int.MaxValue];
        yield return PtxCase.Ternary<int, int, int, int>(
            "slct.s32.s32 %r, %a, %b, %c;", (a, b, c) => c >= 0 ? a : b, [1], [2], ints);
        yield return PtxCase.Ternary<long, long, int, long>(
            "slct.u64.s32 %r, %a, %b, %c;", (a, b, c) => c >= 0 ? a : b, [1], [-2], ints);
        // −0 does not count as negative, and NaN selects the second operand.
        yield return PtxCase.Ternary<float, float, float, float>(
            "slct.f32.f32 %r, %a, %b, %c;", (a, b, c) => c >= 0 ? a : b, [1], [2], s_floats);
        yield return PtxCase.Ternary<int, int, float, int>(
            "slct.ftz.s32.f32 %r, %a, %b, %c;", (a, b, c) => Flushed(c) >= 0 ? a : b, [1], [2], s_floats);
    }

    private static IEnumerable<PtxCase> Table() =>
    [
        .. Comparisons<short>("s16", s_ordered), .. Comparisons<int>("s32", s_ordered),
        .. Comparisons<long>("s64", s_ordered),
        .. Comparisons<ushort>("u16", s_unsigned), .. Comparisons<uint>("u32", s_unsigned),
        .. Comparisons<ulong>("u64", s_unsigned), .. Comparisons<uint>("b32", s_ordered[..2]),
        .. Comparisons<ulong>("b64", s_ordered[..2]), .. Comparisons<float>("f32", s_floating),
        .. Comparisons<double>("f64", s_floating), .. Comparisons<Half>("f16", s_floating),
        .. Combinations(), .. Pairs(), .. Sets(), .. Selections(),
    ];

    [TestCaseSource(nameof(Table))]
    public void A_comparison_has_the_expected_result(PtxCase table) => table.Verify();

    private static float Flushed(float value) => float.IsSubnormal(value) ? 0 : value;
}
