namespace PtxEmulator.Tests;

/// <summary>Divergent branches and the points where the warp reconverges.</summary>
internal sealed class ControlFlowTests
{
    private const int ThreadCount = 64;

    [Test]
    public void Both_sides_of_an_if_run_for_their_own_lanes() => Check("""
        and.b32 %a, %i, 1;
        setp.eq.u32 %p, %a, 0;
        @%p bra EVEN;
        mul.lo.u32 %r, %i, 3;
        bra DONE;
        EVEN:
        add.u32 %r, %i, 1000;
        DONE:
        add.u32 %r, %r, 1;
        """, i => (i % 2 == 0 ? i + 1000 : i * 3) + 1);

    [Test]
    public void Lanes_reconverge_after_an_if() => Check("""
        and.b32 %a, %i, 3;
        setp.ne.u32 %p, %a, 0;
        @%p bra SKIP;
        mov.u32 %r, 5;
        SKIP:
        activemask.b32 %b;
        popc.b32 %r, %b;
        """, _ => 32);

    [Test]
    public void Inside_an_if_only_its_lanes_are_active() => Check("""
        mov.u32 %r, 0;
        and.b32 %a, %i, 3;
        setp.ne.u32 %p, %a, 1;
        @%p bra SKIP;
        activemask.b32 %r;
        SKIP:
        """, i => i % 4 == 1 ? 0x2222_2222 : 0);

    [Test]
    public void Nested_ifs_reconverge_one_by_one() => Check("""
        mov.u32 %r, 0;
        and.b32 %a, %i, 1;
        setp.ne.u32 %p, %a, 0;
        @%p bra OUTER;
        and.b32 %a, %i, 2;
        setp.ne.u32 %q, %a, 0;
        @%q bra INNER;
        activemask.b32 %b;
        popc.b32 %b, %b;
        mad.lo.u32 %r, %b, 10000, %r;
        INNER:
        activemask.b32 %b;
        popc.b32 %b, %b;
        mad.lo.u32 %r, %b, 100, %r;
        OUTER:
        activemask.b32 %b;
        popc.b32 %b, %b;
        add.u32 %r, %r, %b;
        """, i => 32 + (i % 2 == 0 ? 1600 : 0) + (i % 4 == 0 ? 80000 : 0));

    [Test]
    public void Each_lane_runs_its_own_number_of_rounds() => Check("""
        mov.u32 %r, 0;
        mov.u32 %a, 0;
        LOOP:
        setp.ge.u32 %p, %a, %i;
        @%p bra DONE;
        add.u32 %r, %r, %a;
        add.u32 %a, %a, 1;
        bra LOOP;
        DONE:
        """, i => i * (i - 1) / 2);

    [Test]
    public void Nested_loops_may_have_different_trip_counts() => Check("""
        mov.u32 %r, 0;
        mov.u32 %a, 0;
        OUTER:
        setp.gt.u32 %p, %a, %i;
        @%p bra DONE;
        mov.u32 %b, 0;
        INNER:
        setp.ge.u32 %q, %b, %a;
        @%q bra NEXT;
        add.u32 %r, %r, 1;
        add.u32 %b, %b, 3;
        bra INNER;
        NEXT:
        add.u32 %a, %a, 1;
        bra OUTER;
        DONE:
        """, i => Enumerable.Range(0, i + 1).Sum(a => (a + 2) / 3));

    [Test]
    public void A_break_leaves_a_loop_from_its_middle() => Check("""
        mov.u32 %r, 0;
        mov.u32 %a, %i;
        LOOP:
        and.b32 %b, %a, 7;
        setp.eq.u32 %p, %b, 5;
        @%p bra FOUND;
        add.u32 %a, %a, 3;
        add.u32 %r, %r, 1;
        setp.lt.u32 %q, %a, 100;
        @%q bra LOOP;
        mov.u32 %r, 777;
        FOUND:
        activemask.b32 %b;
        popc.b32 %b, %b;
        mad.lo.u32 %r, %b, 1000, %r;
        """, i =>
    {
        int rounds = 0;
        for (int a = i; a % 8 != 5; rounds++)
            a += 3;
        return 32000 + rounds;
    });

    [Test]
    public void A_loop_may_continue_from_two_places() => Check("""
        mov.u32 %r, 0;
        mov.u32 %a, 0;
        LOOP:
        add.u32 %a, %a, 1;
        setp.gt.u32 %p, %a, %i;
        @%p bra DONE;
        and.b32 %b, %a, 1;
        setp.eq.u32 %q, %b, 0;
        @%q bra LOOP;
        add.u32 %r, %r, %a;
        bra LOOP;
        DONE:
        """, i => Enumerable.Range(1, i).Where(a => a % 2 == 1).Sum());

    [Test]
    public void Lanes_that_returned_early_execute_nothing_more() => Check("""
        mov.u32 %r, 1;
        st.global.u32 [%out], %r;
        and.b32 %a, %i, 3;
        setp.eq.u32 %p, %a, 3;
        @%p ret;
        activemask.b32 %b;
        popc.b32 %r, %b;
        """, i => i % 4 == 3 ? 1 : 24);

    [Test]
    public void Exit_inside_a_loop_ends_the_lane() => Check("""
        mov.u32 %r, 0;
        LOOP:
        st.global.u32 [%out], %r;
        setp.eq.u32 %p, %r, %i;
        @%p exit;
        add.u32 %r, %r, 1;
        setp.lt.u32 %q, %r, 40;
        @%q bra LOOP;
        """, i => Math.Min(i, 40));

    [Test]
    public void Brx_idx_branches_each_lane_to_its_own_label() => Check("""
        and.b32 %a, %i, 3;
        mov.u32 %r, 0;
        TARGETS: .branchtargets ZERO, ONE, TWO, ONE;
        brx.idx %a, TARGETS;
        ZERO:
        mov.u32 %r, 10;
        bra DONE;
        ONE:
        mov.u32 %r, 20;
        TWO:
        add.u32 %r, %r, 1;
        DONE:
        activemask.b32 %b;
        popc.b32 %b, %b;
        mad.lo.u32 %r, %b, 100, %r;
        """, i => 3200 + new[] { 10, 21, 1, 21 }[i % 4]);

    [Test]
    public void A_false_predicate_leaves_the_destination_unchanged() => Check("""
        mov.u32 %r, 9;
        and.b32 %a, %i, 1;
        setp.eq.u32 %p, %a, 1;
        @%p mov.u32 %r, 4;
        @!%p add.u32 %r, %r, %i;
        @%p st.global.u32 [%out], %r;
        """, i => i % 2 == 1 ? 4 : 9 + i);

    [Test]
    public void Predicated_memory_operations_skip_inactive_lanes() => Check("""
        mov.u32 %r, 3;
        mov.u64 %far, 0;
        setp.lt.u32 %p, %i, 0;
        @%p ld.global.u32 %r, [%far];
        @%p st.global.u32 [%far], %r;
        @%p atom.global.add.u32 %r, [%far], 1;
        """, _ => 3);

    [Test]
    public void A_uniform_branch_jumps_all_lanes() => Check("""
        mov.u32 %r, 1;
        bra.uni NEXT;
        mov.u32 %r, 2;
        NEXT:
        mov.u32 %a, 0;
        LOOP:
        add.u32 %r, %r, %a;
        add.u32 %a, %a, 1;
        setp.lt.u32 %p, %a, 5;
        @%p bra.uni LOOP;
        """, _ => 11);

    [Test]
    public void Registers_of_an_inner_scope_hide_those_outside() => Check("""
        mov.u32 %r, 1;
        {
            .reg .b32 %r2, %a;
            mov.u32 %a, 50;
            add.u32 %r2, %a, 1;
            add.u32 %r, %r, %r2;
        }
        {
            .reg .b32 %a;
            mov.u32 %a, 7;
            add.u32 %r, %r, %a;
        }
        """, _ => 59);

    [Test]
    public void Special_registers_identify_the_thread()
    {
        using KernelRun run = new("""
            .visible .entry where(.param .u64 result)
            {
                .reg .b32 %v, %w, %x, %y, %z, %n, %flat;
                .reg .b64 %out, %offset;
                mov.u32 %x, %ctaid.x;
                mov.u32 %y, %ctaid.y;
                mov.u32 %z, %ctaid.z;
                mov.u32 %n, %nctaid.y;
                mad.lo.u32 %flat, %z, %n, %y;
                mov.u32 %n, %nctaid.x;
                mad.lo.u32 %flat, %flat, %n, %x;
                mov.u32 %z, %tid.z;
                mov.u32 %n, %ntid.z;
                mad.lo.u32 %flat, %flat, %n, %z;
                mov.u32 %y, %tid.y;
                mov.u32 %n, %ntid.y;
                mad.lo.u32 %flat, %flat, %n, %y;
                mov.u32 %x, %tid.x;
                mov.u32 %n, %ntid.x;
                mad.lo.u32 %flat, %flat, %n, %x;
                ld.param.u64 %out, [result];
                mul.wide.u32 %offset, %flat, 8;
                add.u64 %out, %out, %offset;
                mov.u32 %v, %laneid;
                mov.u32 %w, WARP_SZ;
                mad.lo.u32 %v, %w, 1000, %v;
                st.global.u32 [%out], %v;
                mov.u32 %v, %lanemask_lt;
                st.global.u32 [%out+4], %v;
                ret;
            }
            """);
        const int BlockSize = 5 * 4 * 3;
        int count = 2 * 3 * 2 * BlockSize;
        ulong result = run.Buffer(new uint[2 * count]);

        run.Launch(new Dim3(2, 3, 2), new Dim3(5, 4, 3), 0, result);

        uint[] actual = run.Read<uint>(result, 2 * count);
        for (int index = 0; index < count; index++)
        {
            int lane = index % BlockSize % 32;
            Assert.That(actual[2 * index], Is.EqualTo(32000 + lane), $"thread {index}");
            Assert.That(actual[(2 * index) + 1], Is.EqualTo((1u << lane) - 1), $"thread {index}");
        }
    }

    /// <summary>Runs the body for 64 threads. %i is the thread, %r the result and %out the address of the
    /// result.</summary>
    private static void Check(string body, Func<int, int> expected)
    {
        using KernelRun run = new($$"""
            .visible .entry flow(.param .u64 results)
            {
                .reg .pred %p, %q;
                .reg .b32 %i, %r, %a, %b;
                .reg .b64 %out, %offset, %far;
                mov.u32 %i, %tid.x;
                ld.param.u64 %out, [results];
                mul.wide.u32 %offset, %i, 4;
                add.u64 %out, %out, %offset;
                {{body}}
                st.global.u32 [%out], %r;
                ret;
            }
            """);
        ulong results = run.Buffer(new int[ThreadCount]);

        run.Launch(1, ThreadCount, results);

        Assert.That(run.Read<int>(results, ThreadCount), Is.EqualTo(Enumerable.Range(0, ThreadCount).Select(expected)));
    }
}
