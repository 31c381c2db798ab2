namespace PtxEmulator.Tests;

/// <summary>Exact counts of small kernels. They do not depend on the seed or on the number of workers.</summary>
internal sealed class CounterTests
{
    private const int BlockCount = 3;
    private const int BlockSize = 64;
    private const string Operands = "{%f0, %f1, %f2, %f3}, {%x0, %x1, %x2, %x3}, {%x0, %x1}, {%f0, %f1, %f2, %f3}";
    private const int WarpCount = BlockCount * BlockSize / 32;

    /// <summary>The bytes per lane, the pattern of the addresses, and the number of sectors that a warp
    /// touches.</summary>
    private static readonly TestCaseData[] s_globalAccesses =
    [
        new TestCaseData("b32", "mul.lo.u32 %at, %lane, 4;", 4, 4).SetArgDisplayNames("neighbouring words"),
        new TestCaseData("b32", "mad.lo.u32 %at, %lane, 4, 4;", 5, 4).SetArgDisplayNames("words from the second on"),
        new TestCaseData("b32", "mul.lo.u32 %at, %lane, 8;", 8, 4).SetArgDisplayNames("every second word"),
        new TestCaseData("b32", "mul.lo.u32 %at, %lane, 32;", 32, 4).SetArgDisplayNames("one word a sector"),
        new TestCaseData("b32", "mul.lo.u32 %at, %lane, 100;", 32, 4).SetArgDisplayNames("words far apart"),
        new TestCaseData("b32", "mov.u32 %at, 64;", 1, 1).SetArgDisplayNames("one word for all"),
        new TestCaseData("b32", "and.b32 %at, %lane, 30; mul.lo.u32 %at, %at, 2;", 2, 2)
            .SetArgDisplayNames("pairs of lanes"),
        new TestCaseData("b32", "xor.b32 %at, %lane, 31; mul.lo.u32 %at, %at, 4;", 4, 4)
            .SetArgDisplayNames("words backwards"),
        new TestCaseData("b8", "mov.u32 %at, %lane;", 1, 1).SetArgDisplayNames("bytes"),
        new TestCaseData("b16", "mul.lo.u32 %at, %lane, 2;", 2, 2).SetArgDisplayNames("halves"),
        new TestCaseData("b64", "mul.lo.u32 %at, %lane, 8;", 8, 8).SetArgDisplayNames("longs"),
        new TestCaseData("v2.b32", "mul.lo.u32 %at, %lane, 8;", 8, 8).SetArgDisplayNames("pairs of words"),
        new TestCaseData("v4.b32", "mul.lo.u32 %at, %lane, 16;", 16, 16).SetArgDisplayNames("fours of words"),
        new TestCaseData("v4.b32", "mul.lo.u32 %at, %lane, 64;", 32, 16).SetArgDisplayNames("fours of words, strided"),
    ];

    [TestCaseSource(nameof(s_globalAccesses))]
    public void Global_accesses_count_distinct_sectors(string width, string address, int sectors, int ideal)
    {
        int count = width[0] == 'v' ? width[1] - '0' : 1;
        string type = width.Split('.')[^1];
        int bytes = count * int.Parse(type[1..], System.Globalization.CultureInfo.InvariantCulture) / 8;
        string registers = (type, count) switch
        {
            ("b64", _) => "%w",
            (_, 2) => "{%x0, %x1}",
            (_, 4) => "{%x0, %x1, %x2, %x3}",
            _ => "%x0",
        };
        CheckEverywhere($$"""
            {{address}}
            cvt.u64.u32 %offset, %at;
            add.u64 %in, %in, %offset;
            ld.global.{{width}} {{registers}}, [%in];
            st.global.{{width}} [%in], {{registers}};
            st.global.{{width}} [%in], {{registers}};
            """, report =>
        {
            Assert.That(report.GlobalLoadBytes, Is.EqualTo(WarpCount * 32 * bytes));
            Assert.That(report.GlobalStoreBytes, Is.EqualTo(2 * WarpCount * 32 * bytes));
            Assert.That(report.GlobalBytes, Is.EqualTo(3 * WarpCount * 32 * bytes));
            Assert.That(report.GlobalLoadSectors, Is.EqualTo(WarpCount * sectors));
            Assert.That(report.GlobalStoreSectors, Is.EqualTo(2 * WarpCount * sectors));
            Assert.That(report.GlobalSectors, Is.EqualTo(3 * WarpCount * sectors));
            Assert.That(report.IdealLoadSectors, Is.EqualTo(WarpCount * ideal));
            Assert.That(report.IdealStoreSectors, Is.EqualTo(2 * WarpCount * ideal));
            Assert.That(report.IdealSectors, Is.EqualTo(3 * WarpCount * ideal));
        });
    }

    [Test]
    public void Inactive_lanes_access_no_memory() => CheckEverywhere("""
        setp.lt.u32 %p, %lane, 5;
        mul.wide.u32 %offset, %lane, 4;
        add.u64 %in, %in, %offset;
        @%p ld.global.b32 %x0, [%in];
        setp.gt.u32 %p, %lane, 40;
        @%p ld.global.b32 %x0, [%in];
        """, report =>
    {
        Assert.That(report.GlobalLoadBytes, Is.EqualTo(WarpCount * 20));
        Assert.That(report.GlobalLoadSectors, Is.EqualTo(WarpCount));
        Assert.That(report.IdealLoadSectors, Is.EqualTo(WarpCount));
        Assert.That(report.Instructions["ld.global.b32"], Is.EqualTo(2 * WarpCount));
    });

    [Test]
    public void Asynchronous_copies_count_as_global_and_shared_accesses() => CheckEverywhere("""
        mul.wide.u32 %offset, %lane, 16;
        add.u64 %in, %in, %offset;
        cp.async.cg.shared.global [%slot], [%in], 16;
        cp.async.wait_all;
        """, report =>
    {
        Assert.That(report.GlobalLoadBytes, Is.EqualTo(WarpCount * 512));
        Assert.That(report.AsyncCopyBytes, Is.EqualTo(WarpCount * 512));
        Assert.That(report.GlobalLoadSectors, Is.EqualTo(WarpCount * 16));
        Assert.That(report.Instructions["cp.async.cg.shared.global"], Is.EqualTo(WarpCount));
        Assert.That(report.Count("cp.async"), Is.EqualTo(2 * WarpCount));
    });

    [Test]
    public void An_atomic_counts_as_a_load_and_a_store() => CheckEverywhere("""
        mul.wide.u32 %offset, %lane, 4;
        add.u64 %in, %in, %offset;
        atom.global.add.u32 %x0, [%in], 1;
        """, report =>
    {
        Assert.That(report.GlobalLoadBytes, Is.EqualTo(WarpCount * 128));
        Assert.That(report.GlobalStoreBytes, Is.EqualTo(WarpCount * 128));
        Assert.That(report.Instructions["atom.global.add.u32"], Is.EqualTo(WarpCount));
    });

    /// <summary>Lanes that are a stride apart. Accesses of 8 or 16 bytes proceed in half or quarter warps.</summary>
    [TestCase("b32", 4, 0), TestCase("b32", 8, 1), TestCase("b32", 16, 3), TestCase("b32", 32, 7),
        TestCase("b32", 64, 15), TestCase("b32", 128, 31), TestCase("b32", 132, 0), TestCase("b32", 12, 0),
        TestCase("b32", 0, 0), TestCase("b16", 2, 0), TestCase("b8", 1, 0), TestCase("b16", 4, 0),
        TestCase("b64", 8, 0), TestCase("b64", 16, 2), TestCase("b64", 136, 0), TestCase("v4.b32", 16, 0),
        TestCase("v4.b32", 32, 4), TestCase("v4.b32", 64, 12), TestCase("v4.b32", 128, 28),
        TestCase("v4.b32", 144, 0), TestCase("v2.b32", 8, 0), TestCase("v2.b32", 128, 30)]
    public void Shared_accesses_count_bank_conflicts(string width, int stride, int extra)
    {
        string registers = width switch
        {
            "b64" => "%w",
            "v2.b32" => "{%x0, %x1}",
            "v4.b32" => "{%x0, %x1, %x2, %x3}",
            _ => "%x0",
        };
        // A single warp, so that a stride of zero is not a race.
        CheckEverywhere($$"""
            setp.ge.u32 %p, %i, 32;
            @%p exit;
            mad.lo.u32 %at, %lane, {{stride}}, %base;
            st.shared.{{width}} [%at], {{registers}};
            bar.warp.sync 0xffffffff;
            ld.shared.{{width}} {{registers}}, [%at];
            ld.shared.{{width}} {{registers}}, [%at];
            """, report =>
        {
            Assert.That(report.SharedBankConflictCount, Is.EqualTo(3 * BlockCount * extra));
            Assert.That(report.SharedBankConflicts.Select(conflict => conflict.ExtraWavefronts),
                Is.EqualTo(Enumerable.Repeat((long)BlockCount * extra, extra == 0 ? 0 : 3)));
            Assert.That(report.SharedBankConflicts.Select(conflict => conflict.Executions), Is.All.EqualTo(BlockCount));
            Assert.That(report.SharedBankConflicts.Select(conflict => conflict.Instruction[..9]),
                Is.EqualTo(extra == 0 ? [] : new[] { "st.shared", "ld.shared", "ld.shared" }));
        });
    }

    [Test]
    public void Bank_conflicts_are_reported_by_line()
    {
        string text = Text("""
            setp.ge.u32 %p, %i, 32;
            @%p exit;
            st.shared.b32 [%slot], %x0;
            bar.warp.sync 0xffffffff;
            mad.lo.u32 %at, %lane, 128, %base;
            st.shared.b32 [%at], %x0;
            """);
        using KernelRun run = new(text);

        LaunchReport report = run.Launch(1, 64, run.Buffer(new int[4096]));

        Assert.That(report.SharedBankConflicts.Select(conflict =>
            (conflict.ExtraWavefronts, conflict.Instruction.TrimEnd(';'))),
            Is.EqualTo(new[] { (15L, "st.shared.b32 [%slot], %x0"), (31L, "st.shared.b32 [%at], %x0") }));
        string[] lines = (KernelRun.Header + text).Split('\n');
        foreach (SharedBankConflict conflict in report.SharedBankConflicts)
            Assert.That(lines[conflict.Line - 1], Does.Contain(conflict.Instruction));
    }

    [TestCase(16, 0), TestCase(128, 28), TestCase(64, 12), TestCase(144, 0), TestCase(32, 4)]
    public void Ldmatrix_counts_bank_conflicts(int rowStride, int extra) => CheckEverywhere($$"""
        setp.ge.u32 %p, %i, 32;
        @%p exit;
        mad.lo.u32 %at, %lane, {{rowStride}}, %base;
        st.shared.b32 [%at], %x0;
        st.shared.b32 [%at+4], %x0;
        st.shared.b32 [%at+8], %x0;
        st.shared.b32 [%at+12], %x0;
        bar.warp.sync 0xffffffff;
        ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%x0, %x1, %x2, %x3}, [%at];
        """, report =>
    {
        Assert.That(report.SharedBankConflicts.Where(conflict =>
            conflict.Instruction.StartsWith("ldmatrix", StringComparison.Ordinal))
            .Sum(conflict => conflict.ExtraWavefronts), Is.EqualTo(BlockCount * extra));
    });

    [Test]
    public void Barriers_are_counted_once_per_block() => CheckEverywhere("""
        mov.u32 %at, 0;
        LOOP:
        bar.sync 0;
        add.u32 %at, %at, 1;
        setp.lt.u32 %p, %at, 7;
        @%p bra LOOP;
        bar.sync 0;
        """, report =>
    {
        Assert.That(report.Barriers, Is.EqualTo(BlockCount * 8));
        Assert.That(report.Count("bar"), Is.EqualTo(WarpCount * 8));
    });

    [TestCase("add.f32 %f0, %f0, %f1;", 1), TestCase("sub.rn.f32 %f0, %f0, %f1;", 1),
        TestCase("mul.ftz.f32 %f0, %f0, %f1;", 1), TestCase("fma.rn.f32 %f0, %f0, %f1, %f1;", 2),
        TestCase("div.rn.f32 %f0, %f0, %f1;", 1), TestCase("ex2.approx.f32 %f0, %f1;", 1),
        TestCase("rcp.approx.ftz.f32 %f0, %f1;", 1), TestCase("sqrt.rn.f32 %f0, %f1;", 1),
        TestCase("rsqrt.approx.f32 %f0, %f1;", 1), TestCase("add.rn.f16x2 %x0, %x1, %x2;", 2),
        TestCase("fma.rn.f16x2 %x0, %x1, %x2, %x3;", 4), TestCase("fma.rn.bf16x2 %x0, %x1, %x2, %x3;", 4),
        TestCase("fma.rn.f64 %d0, %d0, %d0, %d0;", 2), TestCase("add.u32 %x0, %x1, %x2;", 0),
        TestCase("mad.lo.u32 %x0, %x1, %x2, %x3;", 0), TestCase("mov.f32 %f0, %f1;", 0),
        TestCase("setp.lt.u32 %p, %i, 0;\n@%p add.f32 %f0, %f0, %f1;", 0)]
    public void Flops_count_every_active_thread(string instruction, int flops) => CheckEverywhere(instruction, report =>
        Assert.That(report.Flops, Is.EqualTo(WarpCount * 32 * flops)));

    [Test]
    public void Flops_do_not_count_inactive_threads() => CheckEverywhere("""
        setp.lt.u32 %p, %lane, 5;
        @%p fma.rn.f32 %f0, %f0, %f1, %f1;
        """, report =>
    {
        Assert.That(report.Flops, Is.EqualTo(WarpCount * 5 * 2));
        Assert.That(report.Instructions["fma.rn.f32"], Is.EqualTo(WarpCount));
    });

    [TestCase("m16n8k16.row.col.f32.f16.f16.f32", 4096), TestCase("m16n8k16.row.col.f32.bf16.bf16.f32", 4096),
        TestCase("m16n8k8.row.col.f32.tf32.tf32.f32", 2048)]
    public void Flops_of_a_matrix_instruction_count_every_product(string shape, int flops) => CheckEverywhere(
        $"mma.sync.aligned.{shape} {Operands};", report =>
        {
            Assert.That(report.Flops, Is.EqualTo(WarpCount * flops));
            Assert.That(report.MatrixInstructions, Is.EqualTo(WarpCount));
            Assert.That(report.Instructions[$"mma.sync.aligned.{shape}"], Is.EqualTo(WarpCount));
        });

    /// <summary>A warp executes both sides of a divergent branch, and a loop as often as its last lane.</summary>
    [Test]
    public void Instructions_are_counted_once_per_warp() => CheckEverywhere("""
        and.b32 %at, %lane, 1;
        setp.eq.u32 %p, %at, 0;
        @%p bra EVEN;
        xor.b32 %x0, %x0, 1;
        bra.uni DONE;
        EVEN:
        shl.b32 %x0, %x0, 1;
        DONE:
        mov.u32 %at, 0;
        LOOP:
        brev.b32 %x0, %x0;
        add.u32 %at, %at, 1;
        setp.le.u32 %q, %at, %lane;
        @%q bra LOOP;
        popc.b32 %x0, %x0;
        setp.ge.u32 %q, %i, 32;
        @%q bra END;
        clz.b32 %x1, %x0;
        END:
        """, report =>
    {
        Assert.That(report.Kernel, Is.EqualTo("counted"));
        Assert.That(report.Instructions["xor.b32"], Is.EqualTo(WarpCount));
        Assert.That(report.Instructions["shl.b32"], Is.EqualTo(WarpCount));
        Assert.That(report.Instructions["brev.b32"], Is.EqualTo(32 * WarpCount));
        Assert.That(report.Instructions["setp.le.u32"], Is.EqualTo(32 * WarpCount));
        Assert.That(report.Instructions["popc.b32"], Is.EqualTo(WarpCount));
        Assert.That(report.Instructions["clz.b32"], Is.EqualTo(WarpCount / 2));
        Assert.That(report.Count("setp"), Is.EqualTo((32 + 2) * WarpCount));
        Assert.That(report.Count("se"), Is.Zero);
        Assert.That(report.WarpInstructions, Is.EqualTo(report.Instructions.Values.Sum()));
    });

    /// <summary>Checks the counters for several seeds and numbers of workers.</summary>
    private static void CheckEverywhere(string body, Action<LaunchReport> check)
    {
        foreach ((ulong seed, int workers) in new[] { (0UL, 1), (1UL, 2), (99UL, 5) })
        {
            using KernelRun run = new(Text(body), new() { Seed = seed, Workers = workers });
            LaunchReport report = run.Launch(BlockCount, BlockSize, run.Buffer(new int[4096]));
            check(report);
        }
    }

    /// <summary>In the body, %in points to 1024 words of the block, %slot to the thread's own 64 bytes of shared
    /// memory, %base to the start of shared memory.</summary>
    private static string Text(string body) => $$"""
        .visible .entry counted(.param .u64 words)
        {
            .shared .align 16 .b8 slots[8192];
            .reg .pred %p, %q;
            .reg .b32 %i, %lane, %at, %base, %slot, %x<4>;
            .reg .b64 %in, %offset, %w;
            .reg .f32 %f<4>;
            .reg .f64 %d0;
            mov.u32 %i, %tid.x;
            and.b32 %lane, %i, 31;
            mov.u32 %base, slots;
            mad.lo.u32 %slot, %i, 64, %base;
            ld.param.u64 %in, [words];
            mov.u32 %at, %ctaid.x;
            mad.wide.u32 %in, %at, 4096, %in;
            mov.f32 %f0, 0f3F800000;
            mov.f32 %f1, %f0;
            mov.f32 %f2, %f0;
            mov.f32 %f3, %f0;
            mov.f64 %d0, 0d3FF0000000000000;
            mov.u32 %x0, 0;
            mov.u32 %x1, 0;
            mov.u32 %x2, 0;
            mov.u32 %x3, 0;
            mov.u64 %w, 0;
            {{body}}
            ret;
        }
        """;
}
