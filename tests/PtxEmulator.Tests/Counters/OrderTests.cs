namespace PtxEmulator.Tests;

/// <summary>The order of the warps depends on the seed; the result of a correct kernel does not.</summary>
internal sealed class OrderTests
{
    private const int BlockSize = 256;

    /// <summary>The first lane of each warp takes the next number from a counter of the block in shared
    /// memory.</summary>
    private const string Tickets = """
        .visible .entry tickets(.param .u64 results)
        {
            .shared .align 4 .b8 counter[4];
            .reg .pred %p;
            .reg .b32 %i, %block, %r;
            .reg .b64 %out, %offset;
            mov.u32 %i, %tid.x;
            mov.u32 %block, %ctaid.x;
            setp.eq.u32 %p, %i, 0;
            @%p st.shared.u32 [counter], 0;
            bar.sync 0;
            atom.shared.add.u32 %r, [counter], 1;
            mad.lo.u32 %i, %block, 256, %i;
            ld.param.u64 %out, [results];
            mul.wide.u32 %offset, %i, 4;
            add.u64 %out, %out, %offset;
            st.global.u32 [%out], %r;
            ret;
        }
        """;

    /// <summary>A tree sum in shared memory. It is correct because of the barrier after each level.</summary>
    private const string Sum = """
        .visible .entry sum(.param .u64 values, .param .u64 results)
        {
            .shared .align 4 .b8 partial[1024];
            .reg .pred %p;
            .reg .b32 %i, %block, %at, %other, %half;
            .reg .f32 %x, %y;
            .reg .b64 %in, %out, %offset;
            mov.u32 %i, %tid.x;
            mov.u32 %block, %ctaid.x;
            mad.lo.u32 %at, %block, 256, %i;
            mul.wide.u32 %offset, %at, 4;
            ld.param.u64 %in, [values];
            add.u64 %in, %in, %offset;
            ld.global.f32 %x, [%in];
            mov.u32 %at, partial;
            mad.lo.u32 %at, %i, 4, %at;
            st.shared.f32 [%at], %x;
            bar.sync 0;
            mov.u32 %half, 128;
            LEVEL:
            setp.ge.u32 %p, %i, %half;
            @%p bra SKIP;
            mad.lo.u32 %other, %half, 4, %at;
            ld.shared.f32 %y, [%other];
            add.f32 %x, %x, %y;
            st.shared.f32 [%at], %x;
            SKIP:
            bar.sync 0;
            shr.u32 %half, %half, 1;
            setp.ne.u32 %p, %half, 0;
            @%p bra LEVEL;
            setp.ne.u32 %p, %i, 0;
            @%p ret;
            mul.wide.u32 %offset, %block, 4;
            ld.param.u64 %out, [results];
            add.u64 %out, %out, %offset;
            st.global.f32 [%out], %x;
            ret;
        }
        """;

    [Test]
    public void The_seed_changes_the_order_of_warps() => Assert.That(
        Enumerable.Range(0, 8).Select(seed => string.Join(",", Drawn((ulong)seed, 1))).Distinct().Count(),
            Is.GreaterThan(1));

    [Test]
    public void The_order_for_a_seed_does_not_depend_on_the_worker_count([Values(1, 2, 7)] int workers) =>
        Assert.That(Drawn(5, workers), Is.EqualTo(Drawn(5, 1)));

    [Test]
    public void Blocks_of_a_launch_run_their_warps_in_different_orders()
    {
        int[] drawn = Drawn(3, 1);

        Assert.That(drawn.Chunk(BlockSize).Select(block => string.Join(",", block)).Distinct().Count(),
            Is.GreaterThan(1));
    }

    [Test]
    public void A_correct_kernel_has_the_same_result_in_any_order()
    {
        Random random = new(1);
        float[] values = [.. Enumerable.Range(0, 16 * BlockSize).Select(_ => random.NextSingle() - 0.5f)];
        string[] sums = [.. Enumerable.Range(0, 12).Select(seed =>
        {
            using KernelRun run = new(Sum, new() { Seed = (ulong)seed, Workers = 1 + (seed % 3) });
            ulong results = run.Buffer(new float[16]);
            run.Launch(16, BlockSize, run.Buffer(values), results);
            return string.Join(",", run.Read<int>(results, 16));
        })];

        Assert.That(sums.Distinct().Count(), Is.EqualTo(1));
    }

    [Test]
    public void A_missing_barrier_is_found_in_any_order([Values(0, 1, 2, 3, 4, 5, 6, 7)] int seed)
    {
        string text = Sum.Replace("SKIP:\n    bar.sync 0;", "SKIP:", StringComparison.Ordinal);
        Assert.That(text, Is.Not.EqualTo(Sum));
        using KernelRun run = new(text, new() { Seed = (ulong)seed });
        ulong results = run.Buffer(new float[1]);

        PtxFaultException error = Assert.Throws<PtxFaultException>(
            () => run.Launch(1, BlockSize, run.Buffer(new float[BlockSize]), results))!;

        Assert.That(error.Kind, Is.AnyOf(PtxFaultKind.SharedRace, PtxFaultKind.WarpRace), error.Message);
    }

    /// <summary>Block 3 reaches its fault long after the others.</summary>
    [Test]
    public void The_first_of_several_faulty_blocks_is_reported([Values(1, 2, 7)] int workers)
    {
        using KernelRun run = new("""
            .visible .entry fault(.param .u64 words)
            {
                .reg .pred %p;
                .reg .b32 %block, %rounds;
                .reg .b64 %a;
                mov.u32 %block, %ctaid.x;
                setp.eq.u32 %p, %block, 3;
                selp.u32 %rounds, 300000, 1, %p;
                LOOP:
                sub.u32 %rounds, %rounds, 1;
                setp.ne.u32 %p, %rounds, 0;
                @%p bra LOOP;
                setp.ge.u32 %p, %block, 3;
                ld.param.u64 %a, [words];
                @%p ld.global.u32 %block, [%a+64];
                ret;
            }
            """, new() { Workers = workers });
        ulong words = run.Buffer(new int[16]);

        PtxFaultException error = Assert.Throws<PtxFaultException>(() => run.Launch(20, 32, words))!;

        Assert.That(error.Block, Is.EqualTo(new Dim3(3, 0, 0)));
    }

    [Test]
    public void Many_threads_may_launch_on_one_device()
    {
        using KernelRun run = new(Sum);
        ulong values = run.Buffer(Enumerable.Range(0, BlockSize).Select(index => (float)index).ToArray());
        ulong[] results = [.. Enumerable.Range(0, 8).Select(_ => run.Buffer(new float[1]))];

        Parallel.ForEach(results, result => run.Launch(1, BlockSize, values, result));

        Assert.That(results.Select(result => run.Read<float>(result, 1)[0]),
            Is.All.EqualTo(BlockSize * (BlockSize - 1) / 2f));
    }

    private static int[] Drawn(ulong seed, int workers)
    {
        using KernelRun run = new(Tickets, new() { Seed = seed, Workers = workers });
        ulong results = run.Buffer(new int[8 * BlockSize]);
        run.Launch(8, BlockSize, results);
        return run.Read<int>(results, 8 * BlockSize);
    }
}
