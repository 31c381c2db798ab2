namespace PtxEmulator.Tests;

/// <summary>PTX ISA 9.7.9.6, shfl.sync.</summary>
internal sealed class ShuffleTests
{
    private const int WarpSize = 32;

    /// <summary>The clamp value in the low bits and the segment mask from bit 8 on.</summary>
    private static readonly uint[] s_controls =
        [0x1F, 0x0, 0x0F, 0x100F, 0x1000, 0x1807, 0x181F, 0x1E01, 0x1F1F, 0x0807];

    private static readonly uint[] s_distances = [0, 1, 2, 5, 8, 16, 31, 32, 33];

    [Test]
    public void Lanes_exchange_values([Values("up", "down", "bfly", "idx")] string mode)
    {
        (uint Distance, uint Control)[] blocks =
            [.. from control in s_controls from distance in s_distances select (distance, control)];
        using KernelRun run = new(Text(mode));
        uint[] operands = [.. blocks.SelectMany(block => new[] { block.Distance, block.Control })];
        ulong results = run.Buffer(new uint[blocks.Length * WarpSize * 2]);

        run.Launch(blocks.Length, WarpSize, run.Buffer(operands), results);

        uint[] actual = run.Read<uint>(results, blocks.Length * WarpSize * 2);
        for (int block = 0; block < blocks.Length; block++)
        {
            for (int lane = 0; lane < WarpSize; lane++)
            {
                (int source, bool isInside) = Source(mode, lane, blocks[block].Distance, blocks[block].Control);
                int at = 2 * ((block * WarpSize) + lane);
                string where = $"{mode} {blocks[block].Distance}, 0x{blocks[block].Control:X}, lane {lane}";
                Assert.That(actual[at], Is.EqualTo(1000 + source), where);
                Assert.That(actual[at + 1], Is.EqualTo(isInside ? 1 : 0), where);
            }
        }
    }

    [Test]
    public void Each_lane_may_select_a_different_source()
    {
        int[] results = KernelRun.Results("""
            .reg .b32 %from;
            mul.lo.u32 %from, %i, 7;
            shfl.sync.idx.b32 %r, %i, %from, 31, -1;
            """, WarpSize);

        Assert.That(results, Is.EqualTo(Enumerable.Range(0, WarpSize).Select(lane => lane * 7 % WarpSize)));
    }

    [Test]
    public void The_halves_of_a_warp_may_shuffle_on_two_sides_of_a_branch()
    {
        int[] results = KernelRun.Results("""
            .reg .pred %p;
            setp.lt.u32 %p, %i, 16;
            @%p bra LOW;
            shfl.sync.bfly.b32 %r, %i, 1, 31, 0xFFFF0000;
            add.u32 %r, %r, 100;
            bra DONE;
            LOW:
            shfl.sync.bfly.b32 %r, %i, 2, 31, 0xFFFF;
            DONE:
            """, WarpSize);

        Assert.That(results,
            Is.EqualTo(Enumerable.Range(0, WarpSize).Select(lane => lane < 16 ? lane ^ 2 : 100 + (lane ^ 1))));
    }

    [TestCase(31, true), TestCase(16, true), TestCase(15, false)]
    public void A_lane_reads_from_a_member_of_its_mask(int source, bool isMember)
    {
        using KernelRun run = new($$"""
            .visible .entry upper()
            {
                .reg .pred %p;
                .reg .b32 %lane, %r;
                mov.u32 %lane, %tid.x;
                setp.lt.u32 %p, %lane, 16;
                @%p ret;
                shfl.sync.idx.b32 %r, %lane, {{source}}, 31, 0xffff0000;
                ret;
            }
            """);

        if (isMember)
            Assert.That(() => run.Launch(1, WarpSize), Throws.Nothing);
        else
            Assert.That(Assert.Throws<PtxFaultException>(() => run.Launch(1, WarpSize))!.Kind,
                Is.EqualTo(PtxFaultKind.PartialWarp));
    }

    private static string Text(string mode) => $$"""
        .visible .entry shuffle(.param .u64 operands, .param .u64 results)
        {
            .reg .pred %p;
            .reg .b32 %lane, %block, %value, %b, %c, %r, %index;
            .reg .b64 %in, %out, %offset;
            mov.u32 %lane, %laneid;
            mov.u32 %block, %ctaid.x;
            ld.param.u64 %in, [operands];
            mul.wide.u32 %offset, %block, 8;
            add.u64 %in, %in, %offset;
            ld.global.u32 %b, [%in];
            ld.global.u32 %c, [%in+4];
            add.u32 %value, %lane, 1000;
            shfl.sync.{{mode}}.b32 %r|%p, %value, %b, %c, 0xffffffff;
            mad.lo.u32 %index, %block, 32, %lane;
            mul.wide.u32 %offset, %index, 8;
            ld.param.u64 %out, [results];
            add.u64 %out, %out, %offset;
            st.global.u32 [%out], %r;
            selp.u32 %r, 1, 0, %p;
            st.global.u32 [%out+4], %r;
            ret;
        }
        """;

    /// <summary>The pseudocode of the ISA.</summary>
    private static (int Lane, bool IsInside) Source(string mode, int lane, uint b, uint c)
    {
        int distance = (int)(b & 31);
        int clamp = (int)(c & 31);
        int segment = (int)((c >> 8) & 31);
        int last = (lane & segment) | (clamp & ~segment);
        (int source, bool isInside) = mode switch
        {
            "up" => (lane - distance, lane - distance >= last),
            "down" => (lane + distance, lane + distance <= last),
            "bfly" => (lane ^ distance, (lane ^ distance) <= last),
            _ => ((lane & segment) | (distance & ~segment), ((lane & segment) | (distance & ~segment)) <= last),
        };
        return isInside ? (source, true) : (lane, false);
    }
}
