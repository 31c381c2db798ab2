namespace PtxEmulator.Tests;

/// <summary>In the mode for contraction a sum may be fused with a product, as the PTX ISA permits where neither has a
/// rounding modifier.</summary>
internal sealed class ContractionTests
{
    private const int SeedCount = 16;

    // a·b = 1 + 2⁻¹¹ + 2⁻²⁴, which is not a float.
    private const string Factors = "mov.f32 %a, 0f3F800800; mov.f32 %b, 0f3F800800; mov.f32 %c, 0f3F800000;\n";

    [TestCase("mul.f32 %p, %a, %b; sub.f32 %r, %p, %c;", 0x3A000000, 0x3A000400)]
    [TestCase("mul.f32 %p, %a, %b; sub.f32 %r, %c, %p;", -0x46000000, -0x45FFFC00)]
    [TestCase("mul.f32 %p, %a, %b; neg.f32 %c, %c; add.f32 %r, %p, %c;", 0x3A000000, 0x3A000400)]
    [TestCase("mul.f32 %p, %a, %b; neg.f32 %c, %c; add.f32 %r, %c, %p;", 0x3A000000, 0x3A000400)]
    [TestCase("mul.ftz.f32 %p, %a, %b; sub.ftz.f32 %r, %p, %c;", 0x3A000000, 0x3A000400)]
    public void A_sum_is_fused_or_not_as_the_seed_decides(string code, int separate, int fused)
    {
        Assert.That(Results(code), Is.EquivalentTo(new[] { separate, fused }));
        Assert.That(Result(code, null), Is.EqualTo(separate), "the mode is off");
    }

    /// <summary>Either product may be fused, or none.</summary>
    [Test]
    public void A_sum_of_two_products_is_fused_with_one_of_them() => Assert.That(Results("""
        mul.f32 %p, %a, %b;
        mov.f32 %c, 0f3F800400;
        mul.f32 %q, %c, %c;
        sub.f32 %r, %p, %q;
        """), Has.Count.EqualTo(3));

    [TestCase("mul.rn.f32 %p, %a, %b; sub.f32 %r, %p, %c;")]
    [TestCase("mul.f32 %p, %a, %b; sub.rn.f32 %r, %p, %c;")]
    [TestCase("mul.ftz.f32 %p, %a, %b; sub.f32 %r, %p, %c;")]
    [TestCase("mul.sat.f32 %p, %a, %b; sub.f32 %r, %p, %c;")]
    [TestCase("mul.f32 %p, %a, %b; mov.f32 %p, %p; sub.f32 %r, %p, %c;")]
    [TestCase("mul.f32 %p, %a, %b; mov.f32 %a, %c; sub.f32 %r, %p, %c;")]
    [TestCase("mul.f32 %a, %a, %b; sub.f32 %r, %a, %c;")]
    [TestCase("mul.f32 %p, %a, %b; NEXT: sub.f32 %r, %p, %c;")]
    [TestCase("mul.f32 %p, %a, %b; setp.ne.f32 %w, %a, %a; @%w mul.f32 %p, %b, %c; sub.f32 %r, %p, %c;")]
    public void Other_sums_are_not_fused(string code)
        => Assert.That(Results(code), Is.EquivalentTo(new[] { Result(code, null) }));

    [Test]
    public void Sums_of_doubles_are_fused_too() => Assert.That(Results("""
        cvt.f64.f32 %x, %a;
        mul.f64 %x, %x, %x;
        mul.f64 %y, %x, %x;
        mul.f64 %z, %y, %y;
        sub.f64 %z, %z, %z;
        cvt.rn.f32.f64 %r, %z;
        """), Has.Count.EqualTo(3));

    /// <summary>Like an assembler, the mode decides for every instruction.</summary>
    [Test]
    public void Two_copies_of_a_sum_may_differ()
    {
        const string Code = "mul.f32 %p, %a, %b; sub.f32 %q, %p, %c; sub.f32 %r, %p, %c; sub.rn.f32 %r, %q, %r;";

        Assert.That(Results(Code), Has.Count.EqualTo(3));
    }

    private static HashSet<int> Results(string code)
        => [.. Enumerable.Range(0, SeedCount).Select(seed => Result(code, (ulong)seed))];

    private static int Result(string code, ulong? seed)
    {
        using KernelRun run = new($$"""
            .visible .entry contract(.param .u64 result)
            {
                .reg .pred %w;
                .reg .f32 %a, %b, %c, %p, %q, %r;
                .reg .f64 %x, %y, %z;
                .reg .b64 %out;
                {{Factors}}{{code}}
                ld.param.u64 %out, [result];
                st.global.f32 [%out], %r;
                ret;
            }
            """, new() { ContractionSeed = seed });
        ulong result = run.Buffer(new int[1]);
        run.Launch(1, 1, result);
        return run.Read<int>(result, 1)[0];
    }
}
