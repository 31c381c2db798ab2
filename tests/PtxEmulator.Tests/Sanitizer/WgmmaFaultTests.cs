namespace PtxEmulator.Tests;

/// <summary>The emulator reports products of warpgroups that break a rule.</summary>
internal sealed class WgmmaFaultTests
{
    private const int BlockSize = 256;

    [TestCaseSource(typeof(WgmmaFaultCases), nameof(WgmmaFaultCases.All))]
    public void Wrong_code_is_reported_with_its_place(FaultCase fault)
    {
        string text = Text(fault.Wrong);
        for (ulong seed = 0; seed < 8; seed++)
        {
            PtxFaultException error = Assert.Throws<PtxFaultException>(() => Run(text, seed))!;

            string[] lines = (KernelRun.HopperHeader + text).Split('\n');
            Assert.That(error.Kind, Is.EqualTo(fault.Kind), error.Message);
            Assert.That(error.Thread,
                Is.AnyOf(fault.Threads.Select(thread => (object)new Dim3(thread, 0, 0)).ToArray()), error.Message);
            Assert.That(lines[error.Line - 1], Does.EndWith("// here"), error.Message);
            Assert.That(error.Address, fault.Space == null ? Is.Null : Is.EqualTo((ulong)fault.Offset), error.Message);
            if (fault.Space != null)
                Assert.That(error.Message, Does.Contain($"0x{error.Address:x}"));
        }
    }

    [TestCaseSource(typeof(WgmmaFaultCases), nameof(WgmmaFaultCases.All))]
    public void Corrected_code_runs(FaultCase fault)
    {
        for (ulong seed = 0; seed < 8; seed++)
            Assert.That(Run(Text(fault.Right), seed), Is.All.EqualTo(1));
    }

    [TestCase(96, 0), TestCase(160, 128), TestCase(200, 128)]
    public void A_block_must_not_end_within_a_warpgroup(int threadCount, int thread)
    {
        using KernelRun run = new(".visible .entry suspect() { wgmma.fence.sync.aligned; ret; }", null,
            KernelRun.HopperHeader);

        PtxFaultException error = Assert.Throws<PtxFaultException>(() => run.Launch(1, threadCount))!;

        Assert.That(error.Kind, Is.EqualTo(PtxFaultKind.WarpgroupDivergence), error.Message);
        Assert.That(error.Thread, Is.EqualTo(new Dim3(thread, 0, 0)));
        Assert.That(error.Message, Does.Contain($"{threadCount} threads").And.Contain("multiple of 128"));
        run.Launch(1, 256);
    }

    /// <summary>The message names the register, the product and what to add.</summary>
    [Test]
    public void An_accumulator_that_a_called_function_takes_is_an_access()
    {
        const string Function = """
            .func (.reg .f32 %result) twice(.reg .f32 %value)
            {
                add.f32 %result, %value, %value;
                ret;
            }

            """;
        const string Product = """
            wgmma.fence.sync.aligned;
            wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {%d0, %d1, %d2, %d3}, %descA, %descB, 1, 1, 1, 0, 0;
            wgmma.commit_group.sync.aligned;

            """;
        const string Call = "call (%f), twice, (%d2);\n";
        const string Wait = "wgmma.wait_group.sync.aligned 0;\n";

        PtxFaultException error = Assert.Throws<PtxFaultException>(
            () => Run(Function + Text(Product + Call + Wait), 0))!;

        Assert.That(error.Kind, Is.EqualTo(PtxFaultKind.WarpgroupNotWaited), error.Message);
        Assert.That(error.Instruction, Does.StartWith("call"));
        Assert.That(error.Message, Does.Contain("register %d2").And.Contain("wgmma.mma_async")
            .And.Contain("add a wgmma.wait_group"));
        Assert.That(Run(Function + Text(Product + Wait + Call), 0), Is.All.EqualTo(1));
    }

    /// <summary>A barrier with a result in an accumulator still gives the result.</summary>
    [Test]
    public void A_barrier_may_write_its_result_to_an_accumulator()
    {
        using KernelRun run = new("""
            .visible .entry count(.param .u64 target)
            {
                .reg .pred %p;
                .reg .b32 %d<4>, %i;
                .reg .b64 %target;
                mov.u32 %i, %tid.x;
                setp.lt.u32 %p, %i, 77;
                bar.red.popc.u32 %d1, 0, %p;
                ld.param.u64 %target, [target];
                mad.wide.u32 %target, %i, 4, %target;
                st.global.u32 [%target], %d1;
                @%p bra END;
                @!%p bra END;
                wgmma.fence.sync.aligned;
                wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {%d0, %d1, %d2, %d3}, %target, %target, 1, 1, 1, 0, 0;
                END:
                ret;
            }
            """, null, KernelRun.HopperHeader);
        ulong target = run.Buffer(new int[128]);

        run.Launch(1, 128, target);

        Assert.That(run.Read<int>(target, 128), Is.All.EqualTo(77));
    }

    private static int[] Run(string text, ulong seed)
    {
        using KernelRun run = new(text, new() { Seed = seed }, KernelRun.HopperHeader);
        ulong target = run.Buffer(new int[BlockSize], "target");
        run.Launch(1, BlockSize, run.Buffer(new int[4]), target);
        return run.Read<int>(target, BlockSize);
    }

    private static string Text(string instructions) => $$"""
        .visible .entry suspect(.param .u64 data, .param .u64 target)
        {
            .shared .align 1024 .b8 memory[12288];
            .reg .pred %half, %p, %q, %x, %yes, %z;
            .reg .b32 %a<4>, %i, %r, %row, %spot, %warp;
            .reg .f32 %d<8>, %e<4>, %f, %g<4>;
            .reg .b64 %data, %descA, %descB, %descC, %target;
            mov.u32 %i, %tid.x;
            shr.u32 %warp, %i, 5;
            setp.eq.u32 %p, %i, 37;
            setp.eq.u32 %q, %warp, 1;
            setp.lt.u32 %half, %i, 64;
            setp.ge.u32 %z, %i, 128;
            setp.eq.u32 %x, %i, 200;
            setp.eq.u32 %yes, %i, %i;
            ld.param.u64 %data, [data];
            ld.param.u64 %target, [target];
            mad.wide.u32 %target, %i, 4, %target;
            shl.b32 %r, %i, 2;
            FILL:
            st.shared.u32 [%r], 0;
            add.u32 %r, %r, 1024;
            setp.lt.u32 %yes, %r, 9216;
            @%yes bra FILL;
            setp.eq.u32 %yes, %i, %i;
            mov.u32 %spot, memory;
            add.u32 %spot, %spot, 16;
            shl.b32 %row, %i, 7;
            and.b32 %row, %row, 0x1f80;
            mov.u64 %descA, 0x4000004000010000;
            mov.u64 %descB, 0x4000004000010200;
            mov.u64 %descC, 0x4000004000010240;
            mov.b32 %a0, 0;
            mov.b32 %a1, 0;
            mov.b32 %a2, 0;
            mov.b32 %a3, 0;
            {{string.Concat(Enumerable.Range(0, 8).Select(index => $"mov.f32 %d{index}, 0f00000000;\n"))}}
            {{string.Concat(Enumerable.Range(0, 4).Select(index => $"mov.f32 %e{index}, 0f00000000;\n"))}}
            fence.proxy.async;
            bar.sync 0;
            {{instructions}}
            cp.async.wait_all;
            st.global.u32 [%target], 1;
            ret;
        }
        """;
}
