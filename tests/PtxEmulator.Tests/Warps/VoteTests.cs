namespace PtxEmulator.Tests;

/// <summary>PTX ISA 9.7.13: vote.sync, match.sync, redux.sync, activemask and bar.warp.sync.</summary>
internal sealed class VoteTests
{
    private static readonly uint[] s_ballots = [0, 1, uint.MaxValue, 0x8000_0000, 0x5555_5555, 0xFFFF_0000, ~1u];

    [Test]
    public void All_lanes_vote([ValueSource(nameof(s_ballots))] uint ballot)
    {
        uint[] results = Run($"""
            mov.u32 %a, {ballot};
            shr.u32 %a, %a, %lane;
            and.b32 %a, %a, 1;
            setp.ne.u32 %p, %a, 0;
            vote.sync.ballot.b32 %r, %p, 0xffffffff;
            vote.sync.all.pred %q, %p, 0xffffffff;
            selp.u32 %x, 1, 0, %q;
            vote.sync.any.pred %q, %p, 0xffffffff;
            selp.u32 %y, 1, 0, %q;
            vote.sync.uni.pred %q, %p, 0xffffffff;
            selp.u32 %z, 1, 0, %q;
            """, 4);

        uint[] expected =
        [
            ballot, ballot == uint.MaxValue ? 1u : 0, ballot != 0 ? 1u : 0, ballot is 0 or uint.MaxValue ? 1u : 0,
        ];
        Assert.That(results, Is.EqualTo(ForAll(expected)));
    }

    [Test]
    public void A_vote_may_negate_its_predicate() => Assert.That(Run("""
        setp.lt.u32 %p, %lane, 5;
        vote.sync.ballot.b32 %r, !%p, 0xffffffff;
        vote.sync.any.pred %q, !%p, -1;
        selp.u32 %x, 1, 0, %q;
        """, 2), Is.EqualTo(ForAll(0xFFFF_FFE0, 1)));

    [Test]
    public void Lanes_outside_the_mask_have_no_vote() => Assert.That(Run("""
        mov.u32 %r, 0;
        setp.ge.u32 %p, %lane, 8;
        @%p bra DONE;
        setp.ne.u32 %p, %lane, 3;
        vote.sync.ballot.b32 %r, %p, 0xff;
        vote.sync.uni.pred %q, %p, 0xff;
        @%q add.u32 %r, %r, 1000;
        DONE:
        """, 1), Is.EqualTo(Enumerable.Range(0, 32).Select(lane => lane < 8 ? 0xF7u : 0)));

    [Test]
    public void Activemask_returns_the_active_lanes() => Assert.That(Run("""
        activemask.b32 %r;
        setp.ge.u32 %p, %lane, 4;
        @%p bra DONE;
        activemask.b32 %r;
        DONE:
        activemask.b32 %x;
        """, 2), Is.EqualTo(Enumerable.Range(0, 32).SelectMany(
            lane => new[] { lane < 4 ? 15 : uint.MaxValue, uint.MaxValue })));

    [Test]
    public void Match_any_returns_the_lanes_with_an_equal_value() => Assert.That(Run("""
        and.b32 %a, %lane, 3;
        match.any.sync.b32 %r, %a, 0xffffffff;
        cvt.u64.u32 %w, %a;
        match.any.sync.b64 %x, %w, 0xffffffff;
        """, 2), Is.EqualTo(Enumerable.Range(0, 32).SelectMany(
            lane => Enumerable.Repeat(0x1111_1111u << (lane % 4), 2))));

    [Test]
    public void Match_all_tests_whether_all_values_are_equal() => Assert.That(Run("""
        match.all.sync.b32 %r|%p, %lane, 0xffffffff;
        selp.u32 %x, 1, 0, %p;
        mov.u32 %a, 7;
        match.all.sync.b32 %y|%p, %a, 0xffffffff;
        selp.u32 %z, 1, 0, %p;
        """, 4), Is.EqualTo(ForAll(0, 0, uint.MaxValue, 1)));

    [TestCase("add.u32", 32u * 100 + 496), TestCase("add.s32", 32u * 100 + 496), TestCase("min.u32", 100u),
        TestCase("max.u32", 131u), TestCase("min.s32", 100u), TestCase("max.s32", 131u), TestCase("and.b32", 0u),
        TestCase("or.b32", 255u), TestCase("xor.b32", 0u)]
    public void Redux_combines_all_lanes(string operation, uint expected) => Assert.That(Run($"""
        add.u32 %a, %lane, 100;
        redux.sync.{operation} %r, %a, 0xffffffff;
        """, 1), Is.All.EqualTo(expected));

    [Test]
    public void Redux_minimum_respects_the_sign_of_the_type() => Assert.That(Run("""
        sub.u32 %a, %lane, 1;
        redux.sync.min.s32 %r, %a, 0xffffffff;
        redux.sync.max.u32 %x, %a, 0xffffffff;
        redux.sync.max.s32 %y, %a, 0xffffffff;
        """, 3), Is.EqualTo(ForAll(uint.MaxValue, uint.MaxValue, 30)));

    [Test]
    public void A_warp_barrier_orders_shared_memory_accesses() => Assert.That(Run("""
        shl.b32 %a, %lane, 2;
        mov.u32 %x, numbers;
        add.u32 %a, %a, %x;
        st.shared.u32 [%a], %lane;
        bar.warp.sync 0xffffffff;
        xor.b32 %a, %a, 4;
        ld.shared.u32 %r, [%a];
        """, 1), Is.EqualTo(Enumerable.Range(0, 32).Select(lane => (uint)lane ^ 1)));

    private static IEnumerable<uint> ForAll(params uint[] results) =>
        Enumerable.Repeat(results, 32).SelectMany(values => values);

    /// <summary>Runs the body in one warp. The results are in %r, %x, %y and %z of each lane.</summary>
    private static uint[] Run(string body, int resultCount)
    {
        string stores = string.Concat(
            "rxyz"[..resultCount].Select((name, index) => $"st.global.u32 [%out+{4 * index}], %{name};\n"));
        using KernelRun run = new($$"""
            .shared .align 4 .b8 numbers[128];
            .visible .entry vote(.param .u64 results)
            {
                .reg .pred %p, %q;
                .reg .b32 %lane, %r, %x, %y, %z, %a;
                .reg .b64 %out, %offset, %w;
                mov.u32 %lane, %laneid;
                ld.param.u64 %out, [results];
                mul.wide.u32 %offset, %lane, {{4 * resultCount}};
                add.u64 %out, %out, %offset;
                {{body}}
                {{stores}}
                ret;
            }
            """);
        ulong results = run.Buffer(new uint[32 * resultCount]);
        run.Launch(1, 32, results);
        return run.Read<uint>(results, 32 * resultCount);
    }
}
