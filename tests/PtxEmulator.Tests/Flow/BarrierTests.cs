namespace PtxEmulator.Tests;

/// <summary>PTX ISA 9.7.13.1: barriers in loops, named barriers, barriers of some warps, and reductions.</summary>
internal sealed class BarrierTests
{
    /// <summary>In each round every thread takes its neighbour's number of the previous round.</summary>
    [TestCase("bar.sync 0;"), TestCase("barrier.sync 0;"), TestCase("barrier.sync.aligned 3;"),
        TestCase("bar.sync 1, 128;")]
    public void A_barrier_in_a_uniform_loop_orders_the_rounds(string barrier)
    {
        int[] results = KernelRun.Results($$"""
            .shared .align 4 .b8 numbers[512];
            .reg .pred %p;
            .reg .b32 %base, %mine, %next, %round;
            mov.u32 %base, numbers;
            mad.lo.u32 %mine, %i, 4, %base;
            add.u32 %next, %i, 33;
            and.b32 %next, %next, 127;
            mad.lo.u32 %next, %next, 4, %base;
            st.shared.u32 [%mine], %i;
            mov.u32 %round, 0;
            LOOP:
            {{barrier}}
            ld.shared.u32 %r, [%next];
            {{barrier}}
            st.shared.u32 [%mine], %r;
            add.u32 %round, %round, 1;
            setp.lt.u32 %p, %round, 10;
            @%p bra LOOP;
            """, 128, out LaunchReport report);

        Assert.That(results, Is.EqualTo(Enumerable.Range(0, 128).Select(i => (i + 330) % 128)));
        Assert.That(report.Barriers, Is.EqualTo(20));
    }

    /// <summary>The two halves of a block, each with its own barrier, add the numbers of two warps.</summary>
    [Test]
    public void Groups_of_warps_may_use_different_barriers()
    {
        int[] results = KernelRun.Results("""
            .shared .align 4 .b8 numbers[512];
            .reg .pred %p;
            .reg .b32 %base, %mine, %other, %old, %half, %round;
            mov.u32 %base, numbers;
            mad.lo.u32 %mine, %i, 4, %base;
            st.shared.u32 [%mine], %i;
            shr.u32 %half, %i, 6;
            add.u32 %half, %half, 1;
            xor.b32 %other, %i, 32;
            mad.lo.u32 %other, %other, 4, %base;
            mov.u32 %old, %i;
            mov.u32 %round, 0;
            LOOP:
            bar.sync %half, 64;
            ld.shared.u32 %r, [%other];
            bar.sync %half, 64;
            add.u32 %r, %r, %old;
            mov.u32 %old, %r;
            st.shared.u32 [%mine], %r;
            add.u32 %round, %round, 1;
            setp.lt.u32 %p, %round, 5;
            @%p bra LOOP;
            """, 128);

        Assert.That(results, Is.EqualTo(Enumerable.Range(0, 128).Select(i => 16 * (i + (i ^ 32)))));
    }

    /// <summary>One warp writes and arrives without waiting; the other waits and reads.</summary>
    [Test]
    public void A_warp_may_arrive_without_waiting()
    {
        using KernelRun run = new("""
            .visible .entry arrive(.param .u64 result)
            {
                .shared .align 4 .b8 numbers[128];
                .reg .pred %p;
                .reg .b32 %i, %lane, %at, %value;
                .reg .b64 %out, %offset;
                mov.u32 %i, %tid.x;
                and.b32 %lane, %i, 31;
                mov.u32 %at, numbers;
                mad.lo.u32 %at, %lane, 4, %at;
                setp.ge.u32 %p, %i, 32;
                @%p bra READER;
                mul.lo.u32 %value, %i, 3;
                st.shared.u32 [%at], %value;
                bar.arrive 1, 64;
                ret;
                READER:
                bar.sync 1, 64;
                ld.shared.u32 %value, [%at];
                ld.param.u64 %out, [result];
                mul.wide.u32 %offset, %lane, 4;
                add.u64 %out, %out, %offset;
                st.global.u32 [%out], %value;
                ret;
            }
            """);
        ulong result = run.Buffer(new int[32]);

        run.Launch(1, 64, result);

        Assert.That(run.Read<int>(result, 32), Is.EqualTo(Enumerable.Range(0, 32).Select(i => 3 * i)));
    }

    /// <summary>What a warp does after it has arrived may come before or after the barrier, and it knows nothing of the
    /// others. Each thread of a warp uses the word of its lane.</summary>
    [TestCase("bar.arrive 1, 64; STORE", "bar.sync 1, 64; LOAD", "", true)]
    [TestCase("bar.arrive 1, 64; LOAD", "bar.sync 1, 64; STORE", "", true)]
    [TestCase("bar.arrive 1, 64; LOAD", "STORE bar.sync 1, 64;", "", true)]
    [TestCase("bar.arrive 1, 64; STORE", "bar.sync 1, 64; bar.arrive 2, 64;", "bar.sync 2, 64; LOAD", true)]
    [TestCase("bar.arrive 1, 96; STORE", "bar.arrive 1, 96;", "bar.sync 1, 96; LOAD", true)]
    [TestCase("STORE bar.arrive 1, 64;", "bar.sync 1, 64; LOAD", "", false)]
    [TestCase("LOAD bar.arrive 1, 64;", "bar.sync 1, 64; STORE", "", false)]
    [TestCase("STORE bar.arrive 1, 64;", "bar.sync 1, 64; bar.arrive 2, 64;", "bar.sync 2, 64; LOAD", false)]
    [TestCase("STORE bar.arrive 1, 96;", "bar.arrive 1, 96;", "bar.sync 1, 96; LOAD", false)]
    [TestCase("bar.arrive 1, 64; STORE bar.sync 2, 64;", "bar.sync 1, 64; bar.sync 2, 64; LOAD", "", false)]
    [TestCase("bar.arrive 1, 64; STORE bar.sync 0;", "bar.sync 1, 64; bar.sync 0; LOAD", "bar.sync 0;", false)]
    public void An_arrival_orders_only_what_comes_before_it(string first, string second, string third, bool isRace)
    {
        for (ulong seed = 0; seed < 16; seed++)
        {
            using KernelRun run = new($$"""
                .visible .entry order()
                {
                    .shared .align 4 .b8 numbers[128];
                    .reg .pred %p, %q;
                    .reg .b32 %i, %at, %value;
                    mov.u32 %i, %tid.x;
                    setp.ge.u32 %p, %i, 32;
                    setp.ge.u32 %q, %i, 64;
                    and.b32 %value, %i, 31;
                    mov.u32 %at, numbers;
                    mad.lo.u32 %at, %value, 4, %at;
                    @!%p st.shared.u32 [%at], %i;
                    bar.sync 0;
                    @%q bra THIRD;
                    @%p bra SECOND;
                    {{Expand(first)}}
                    ret;
                    SECOND:
                    {{Expand(second)}}
                    ret;
                    THIRD:
                    {{Expand(third)}}
                    ret;
                }
                """, new() { Seed = seed });
            if (isRace)
            {
                Assert.That(() => run.Launch(1, 96), Throws.TypeOf<PtxFaultException>()
                    .With.Property(nameof(PtxFaultException.Kind)).EqualTo(PtxFaultKind.SharedRace), $"seed {seed}");
            }
            else
                Assert.That(() => run.Launch(1, 96), Throws.Nothing, $"seed {seed}");
        }

        static string Expand(string code)
            => code.Replace("STORE", "st.shared.u32 [%at], %i;", StringComparison.Ordinal)
                .Replace("LOAD", "ld.shared.u32 %value, [%at];", StringComparison.Ordinal);
    }

    [TestCase(0, 0, 0, 0), TestCase(1, 1, 0, 1), TestCase(50, 50, 0, 1), TestCase(96, 96, 1, 1)]
    public void A_barrier_counts_and_combines_predicates(int limit, int count, int all, int any)
    {
        using KernelRun run = new("""
            .visible .entry reduce(.param .u64 result, .param .u32 limit)
            {
                .reg .pred %p, %q;
                .reg .b32 %i, %limit, %count, %all, %any;
                .reg .b64 %out, %offset;
                mov.u32 %i, %tid.x;
                ld.param.u32 %limit, [limit];
                setp.lt.u32 %p, %i, %limit;
                bar.red.popc.u32 %count, 0, %p;
                bar.red.and.pred %q, 0, %p;
                selp.u32 %all, 1, 0, %q;
                barrier.red.or.pred %q, 0, %p;
                selp.u32 %any, 1, 0, %q;
                ld.param.u64 %out, [result];
                mul.wide.u32 %offset, %i, 12;
                add.u64 %out, %out, %offset;
                st.global.u32 [%out], %count;
                st.global.u32 [%out+4], %all;
                st.global.u32 [%out+8], %any;
                ret;
            }
            """);
        ulong result = run.Buffer(new int[96 * 3]);

        run.Launch(1, 96, result, limit);

        Assert.That(run.Read<int>(result, 96 * 3),
            Is.EqualTo(Enumerable.Repeat(new[] { count, all, any }, 96).SelectMany(values => values)));
    }
}
