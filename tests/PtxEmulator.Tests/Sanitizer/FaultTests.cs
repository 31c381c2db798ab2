namespace PtxEmulator.Tests;

/// <summary>The emulator reports code that the hardware forbids or whose result is undefined.</summary>
internal sealed class FaultTests
{
    private const int BlockCount = 3;
    private const int BlockSize = 64;

    private static readonly int[] s_everyThread = [.. Enumerable.Range(0, BlockSize)];

    private static IEnumerable<FaultCase> OutOfBounds() =>
    [
        new("a load past the end of a buffer", PtxFaultKind.OutOfBounds,
            "mad.wide.u32 %a, %x, 252, %data; ld.global.u32 %r, [%a]; // here", ("252", "248"), "data", 252),
        new("a store past the end of a buffer", PtxFaultKind.OutOfBounds,
            "mad.wide.u32 %a, %x, 252, %data; st.global.u32 [%a], %i; // here", ("252", "248"), "data", 252),
        new("a vector that only starts in the buffer", PtxFaultKind.OutOfBounds,
            "mad.wide.u32 %a, %x, 240, %data; ld.global.v4.u32 {%m0, %m1, %m2, %m3}, [%a]; // here",
            ("240", "224"), "data", 240),
        new("a load before a buffer", PtxFaultKind.OutOfBounds,
            "mul.wide.u32 %a, %x, 4; sub.u64 %a, %data, %a; ld.global.u32 %r, [%a]; // here",
            "ld.global.u32 %r, [%data];", "data", -4),
        new("a load through a null pointer", PtxFaultKind.OutOfBounds,
            "selp.b64 %a, 0, %data, %p; ld.global.u32 %r, [%a+8]; // here",
            "ld.global.u32 %r, [%data+8];", "zero", 8),
        new("a generic load past the end", PtxFaultKind.OutOfBounds,
            "mad.wide.u32 %a, %x, 252, %data; ld.u32 %r, [%a]; // here", ("252", "248"), "data", 252),
        new("an atomic past the end", PtxFaultKind.OutOfBounds,
            "mad.wide.u32 %a, %x, 252, %data; atom.global.add.u32 %r, [%a], 1; // here",
            ("252", "248"), "data", 252),
        new("an asynchronous copy past the end", PtxFaultKind.OutOfBounds,
            "mad.wide.u32 %a, %x, 240, %data; cp.async.ca.shared.global [%mine], [%a], 16; // here",
            ("240", "224"), "data", 240),
        new("an asynchronous copy of nothing past the end", PtxFaultKind.OutOfBounds,
            """
            mad.wide.u32 %a, %x, 240, %data;
            mov.u32 %r, 0;
            cp.async.cg.shared.global [%mine], [%a], 16, %r; // here
            """, ("[%a]", "[%fresh]"), "data", 240),
        new("a shared store past the block's memory", PtxFaultKind.OutOfBounds,
            "selp.u32 %r, 4096, 0, %p; add.u32 %r, %r, %mine; st.shared.u32 [%r], %i; // here",
            "st.shared.u32 [%mine], %i;", "slots", 4096 + (37 * 16)),
        new("a local store past the thread's memory", PtxFaultKind.OutOfBounds,
            "mov.u64 %a, own; mad.wide.u32 %a, %x, 64, %a; st.local.u32 [%a], %i; // here",
            ("64,", "60,"), "own", 64),
    ];

    private static IEnumerable<FaultCase> Misaligned() =>
    [
        new("a word at a half", PtxFaultKind.Misaligned,
            "mad.wide.u32 %a, %x, 2, %data; ld.global.u32 %r, [%a]; // here",
            ("ld.global.u32", "ld.global.u16"), "data", 2),
        new("four words at one", PtxFaultKind.Misaligned,
            "mad.wide.u32 %a, %x, 4, %data; ld.global.v4.u32 {%m0, %m1, %m2, %m3}, [%a]; // here",
            ("4,", "16,"), "data", 4),
        new("a generic store of a word at a byte", PtxFaultKind.Misaligned,
            "mad.wide.u32 %a, %x, 1, %data; st.u32 [%a], %i; // here", ("st.u32", "st.u8"), "data", 1),
        new("two words at one in shared memory", PtxFaultKind.Misaligned,
            "mad.lo.u32 %r, %x, 4, %mine; st.shared.v2.u32 [%r], {%i, %i}; // here",
            ("4", "8"), "slots", (37 * 16) + 4),
        new("an atomic at a half", PtxFaultKind.Misaligned,
            "mad.wide.u32 %a, %x, 2, %data; atom.global.add.u32 %r, [%a], 1; // here", ("2,", "4,"), "data", 2),
        new("an asynchronous copy from within 16 bytes", PtxFaultKind.Misaligned,
            "mad.wide.u32 %a, %x, 8, %data; cp.async.cg.shared.global [%mine], [%a], 16; // here",
            ("8", "16"), "data", 8),
        new("an asynchronous copy to within 16 bytes", PtxFaultKind.Misaligned,
            "mad.lo.u32 %r, %x, 8, %mine; cp.async.ca.shared.global [%r], [%data], 16; // here",
            ("16", "8"), "slots", (37 * 16) + 8),
        new("a row of ldmatrix within 16 bytes", PtxFaultKind.Misaligned,
            """
            st.shared.v4.u32 [%mine], {%i, %i, %i, %i};
            bar.sync 0;
            mad.lo.u32 %r, %x, 8, %mine;
            ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%m0, %m1, %m2, %m3}, [%r]; // here
            """,
            """
            st.shared.v4.u32 [%mine], {%i, %i, %i, %i};
            bar.sync 0;
            ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%m0, %m1, %m2, %m3}, [%mine];
            """, "slots", (37 * 16) + 8),
        new("a local word at a half", PtxFaultKind.Misaligned,
            "mov.u64 %a, own; mad.wide.u32 %a, %x, 2, %a; st.local.u32 [%a], %i; // here",
            ("2,", "4,"), "own", 2),
    ];

    private static IEnumerable<FaultCase> Unwritten() =>
    [
        new("a load of unwritten global memory", PtxFaultKind.UninitializedRead,
            "selp.b64 %a, %fresh, %data, %p; ld.global.u32 %r, [%a]; // here",
            ("selp.b64", "st.global.u32 [%fresh], %i; selp.b64"), "fresh"),
        new("a load of a half-written word", PtxFaultKind.UninitializedRead,
            "st.global.u16 [%fresh], %i; selp.b64 %a, %fresh, %data, %p; ld.global.u32 %r, [%a]; // here",
            ("ld.global.u32", "ld.global.u16"), "fresh"),
        new("an atomic on unwritten memory", PtxFaultKind.UninitializedRead,
            "selp.b64 %a, %fresh, %data, %p; red.global.add.u32 [%a], 1; // here",
            "red.global.add.u32 [%data], 1;", "fresh"),
        new("an asynchronous copy of unwritten memory", PtxFaultKind.UninitializedRead,
            "selp.b64 %a, %fresh, %data, %p; cp.async.ca.shared.global [%mine], [%a], 4; // here",
            "cp.async.ca.shared.global [%mine], [%data], 4;", "fresh"),
        new("a load of unwritten shared memory", PtxFaultKind.UninitializedRead,
            "@!%p st.shared.u32 [%mine], %i;\nld.shared.u32 %r, [%mine]; // here",
            ("@!%p ", ""), "slots", 37 * 16),
        new("a load of unwritten local memory", PtxFaultKind.UninitializedRead,
            "@!%p st.local.u32 [own], %i;\nld.local.u32 %r, [own]; // here", ("@!%p ", ""), "own"),
        new("a load of a half-written local word", PtxFaultKind.UninitializedRead,
            "@!%p st.local.u32 [own], %i;\nst.local.u16 [own], 7;\nld.local.u32 %r, [own]; // here",
            ("ld.local.u32", "ld.local.u16"), "own"),
        new("a load of a half-written shared word", PtxFaultKind.UninitializedRead,
            "@!%p st.shared.u32 [%mine], %i;\nst.shared.u16 [%mine], 7;\nld.shared.u32 %r, [%mine]; // here",
            ("ld.shared.u32", "ld.shared.u16"), "slots", 37 * 16),
        new("an unwritten row of ldmatrix", PtxFaultKind.UninitializedRead,
            """
            @!%p st.shared.v4.u32 [%mine], {%i, %i, %i, %i};
            bar.sync 0;
            ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%m0, %m1, %m2, %m3}, [%mine]; // here
            """, ("@!%p ", ""), "slots", 37 * 16),
    ];

    /// <summary>Neighbouring threads access neighbouring words, which the emulator checks together. It must still
    /// find the thread at fault.</summary>
    private static IEnumerable<FaultCase> Neighbours() =>
    [
        new("neighbours past the end", PtxFaultKind.OutOfBounds,
            "selp.u32 %r, %i, 0, %q; mad.wide.u32 %a, %r, 4, %data; ld.global.u32 %r, [%a]; // here",
            ("selp.u32 %r, %i, 0, %q", "min.u32 %r, %i, 62"), "data", 252) { Threads = [63] },
        new("neighbours at misaligned words", PtxFaultKind.Misaligned,
            "selp.u32 %r, 2, 0, %q; mad.lo.u32 %r, %lane, 4, %r; cvt.u64.u32 %a, %r; add.u64 %a, %a, %data; "
                + "ld.global.u32 %r, [%a]; // here",
            "mad.wide.u32 %a, %lane, 4, %data; ld.global.u32 %r, [%a];", "data", 2) { Threads = [0] },
        new("neighbours on words of which one is unwritten", PtxFaultKind.UninitializedRead,
            """
            mad.wide.u32 %a, %i, 4, %fresh;
            setp.ne.and.u32 %w, %i, 37, %q;
            @%w st.global.u32 [%a], %i;
            @%q ld.global.u32 %r, [%a]; // here
            """, ("setp.ne.and.u32 %w, %i, 37, %q;\n@%w", "@%q"), "fresh", 4 * 37),
        new("neighbours on shared words of which one is unwritten", PtxFaultKind.UninitializedRead,
            """
            mov.u32 %r, slots;
            mad.lo.u32 %r, %i, 4, %r;
            @!%p st.shared.u32 [%r], %i;
            ld.shared.u32 %s, [%r]; // here
            """, ("@!%p ", ""), "slots", 4 * 37),
        new("neighbours on words of which another warp rewrites one", PtxFaultKind.SharedRace,
            """
            mov.u32 %r, slots;
            mad.lo.u32 %r, %i, 4, %r;
            st.shared.u32 [%r], %i;
            bar.sync 0;
            mov.u32 %s, slots;
            setp.eq.and.u32 %w, %i, 0, %q;
            ld.shared.u32 %m0, [%r]; // here
            @%w st.shared.u32 [%s+148], %i; // here
            """, ("%s+148", "%s"), "slots", 4 * 37) { Threads = [0, 37] },
        new("a neighbour's copy after the reader's own wait", PtxFaultKind.AsyncCopyNotWaited,
            """
            mov.u32 %s, slots;
            mad.lo.u32 %r, %i, 4, %s;
            cp.async.ca.shared.global [%r], [%data], 4;
            cp.async.wait_all;
            ld.shared.u32 %m0, [%r];
            xor.b32 %m0, %i, %x;
            mad.lo.u32 %r, %m0, 4, %s;
            ld.shared.u32 %m0, [%r]; // here
            """, ("xor.b32", "bar.warp.sync 0xffffffff;\nxor.b32"), "slots", 4 * 36),
        new("a copy read by all threads after its own thread's wait", PtxFaultKind.AsyncCopyNotWaited,
            """
            mov.u32 %s, slots;
            setp.eq.and.u32 %w, %i, 32, %q;
            @%w cp.async.ca.shared.global [%s], [%data], 4;
            cp.async.wait_all;
            setp.ge.and.u32 %w, %i, 32, %q;
            @!%w bra SKIP;
            ld.shared.u32 %r, [%s]; // here
            SKIP:
            """, ("ld.shared.u32", "bar.warp.sync 0xffffffff;\nld.shared.u32"), "slots") { Threads = [33] },
    ];

    private static IEnumerable<FaultCase> Races() =>
    [
        new("two warps write the same word", PtxFaultKind.SharedRace,
            "and.b32 %r, %i, 31;\nmov.u32 %s, slots;\n@%z st.shared.u32 [%s+32], %i; // here",
            "@%z st.shared.u32 [%mine], %i;", "slots", 32) { Threads = [5, 37] },
        new("a warp reads a word that another writes", PtxFaultKind.SharedRace,
            """
            st.shared.u32 [%mine], %i;
            bar.sync 0;
            @%p st.shared.u32 [%mine], 7; // here
            @%z ld.shared.u32 %r, [%theirs]; // here
            """, ("@%z", "bar.sync 0;\n@%z"), "slots", 37 * 16) { Threads = [5, 37] },
        new("a warp overwrites a word that another still reads", PtxFaultKind.SharedRace,
            """
            st.shared.u32 [%mine], %i;
            bar.sync 0;
            ld.shared.u32 %r, [%theirs]; // here
            @%p st.shared.u32 [%mine], 7; // here
            """, ("@%p", "bar.sync 0;\n@%p"), "slots", 37 * 16) { Threads = [5, 37] },
        new("two warps that wait at different barriers", PtxFaultKind.SharedRace,
            """
            st.shared.u32 [%mine], %i;
            bar.sync 0;
            shr.u32 %s, %i, 5;
            add.u32 %s, %s, 1;
            @%p st.shared.u32 [%mine], 7; // here
            bar.sync %s, 32;
            @%z ld.shared.u32 %r, [%theirs]; // here
            """,
            """
            st.shared.u32 [%mine], %i;
            bar.sync 0;
            @%p st.shared.u32 [%mine], 7;
            bar.sync 1, 64;
            @%z ld.shared.u32 %r, [%theirs];
            """, "slots", 37 * 16) { Threads = [5, 37] },
        new("a vector store overlaps another warp's byte", PtxFaultKind.SharedRace,
            """
            setp.eq.u32 %w, %i, 5;
            and.pred %w, %w, %q;
            @%p st.shared.v4.u32 [%mine], {%i, %i, %i, %i}; // here
            @%w st.shared.u8 [%theirs+9], %i; // here
            """, ("st.shared.v4.u32 [%mine], {%i, %i, ", "st.shared.v2.u32 [%mine], {"), "slots", (37 * 16) + 9)
        { Threads = [5, 37], OtherOffset = 37 * 16 },
        new("a store beside another warp's atomic", PtxFaultKind.SharedRace,
            """
            st.shared.u32 [%mine], %i;
            bar.sync 0;
            setp.eq.u32 %w, %i, 5;
            and.pred %w, %w, %q;
            @%w atom.shared.add.u32 %r, [%theirs], 1; // here
            @%p st.shared.u32 [%mine], 3; // here
            """, ("st.shared.u32 [%mine], 3", "atom.shared.add.u32 %r, [%mine], 3"), "slots", 37 * 16)
        { Threads = [5, 37] },
    ];

    private static IEnumerable<FaultCase> AsyncCopies() =>
    [
        new("the end of a thread with a pending copy", PtxFaultKind.AsyncCopyNotWaited,
            """
            cp.async.ca.shared.global [%mine], [%data], 16;
            cp.async.commit_group;
            st.global.u32 [%target], 1;
            @%p ret; // here
            """, ("@%p", "cp.async.wait_group 0;\n@%p"), "slots", 37 * 16),
        new("the end of a thread with a copy of no group", PtxFaultKind.AsyncCopyNotWaited,
            """
            cp.async.ca.shared.global [%mine], [%data], 16;
            st.global.u32 [%target], 1;
            cp.async.wait_group 0;
            @%p ret; // here
            """, ("cp.async.wait_group 0", "cp.async.wait_all"), "slots", 37 * 16),
        new("reading a copy before the wait", PtxFaultKind.AsyncCopyNotWaited,
            """
            cp.async.ca.shared.global [%mine], [%data], 16;
            cp.async.commit_group;
            @!%p cp.async.wait_group 0;
            ld.shared.u32 %r, [%mine]; // here
            """, ("@!%p ", ""), "slots", 37 * 16),
        new("waiting for groups when the copy belongs to none", PtxFaultKind.AsyncCopyNotWaited,
            """
            cp.async.ca.shared.global [%mine], [%data], 16;
            @!%p cp.async.commit_group;
            cp.async.wait_group 0;
            ld.shared.u32 %r, [%mine+4]; // here
            """, ("cp.async.wait_group 0", "cp.async.wait_all"), "slots", (37 * 16) + 4),
        new("waiting for the previous group only", PtxFaultKind.AsyncCopyNotWaited,
            """
            cp.async.ca.shared.global [%mine], [%data], 8;
            cp.async.commit_group;
            cp.async.ca.shared.global [%mine+8], [%data], 8;
            cp.async.commit_group;
            cp.async.wait_group 1;
            @!%p cp.async.wait_group 0;
            ld.shared.v2.u32 {%r, %s}, [%mine+8]; // here
            """,
            """
            cp.async.ca.shared.global [%mine], [%data], 8;
            cp.async.commit_group;
            cp.async.ca.shared.global [%mine+8], [%data], 8;
            cp.async.commit_group;
            cp.async.wait_group 1;
            ld.shared.v2.u32 {%r, %s}, [%mine];
            """, "slots", (37 * 16) + 8),
        new("writing to the target of a pending copy", PtxFaultKind.AsyncCopyNotWaited,
            """
            cp.async.ca.shared.global [%mine], [%data], 16;
            @!%p cp.async.wait_all;
            st.shared.u32 [%mine], %i; // here
            """, ("@!%p ", ""), "slots", 37 * 16),
        new("a barrier without a wait by the copying thread", PtxFaultKind.AsyncCopyNotWaited,
            """
            cp.async.ca.shared.global [%mine], [%data], 16;
            @!%p cp.async.wait_all;
            bar.sync 0;
            ld.shared.u32 %r, [%theirs]; // here
            """, ("@!%p ", ""), "slots", 37 * 16) { Threads = [5] },
    ];

    private static IEnumerable<FaultCase> Barriers() =>
    [
        new("a barrier inside an if", PtxFaultKind.BarrierDivergence,
            "@%p bra SKIP;\nbar.sync 0; // here\nSKIP:", ("bar.sync 0;\nSKIP:", "SKIP:\nbar.sync 0;")),
        new("a barrier that one thread skips by its predicate", PtxFaultKind.BarrierDivergence,
            "@!%p bar.sync 0; // here", ("@!%p ", "")),
        new("a barrier after one thread has returned", PtxFaultKind.BarrierDivergence,
            "@%p ret;\nbar.sync 0; // here", ("@%p ret;\n", "")),
        new("a barrier after one warp has returned", PtxFaultKind.BarrierDivergence,
            "setp.ge.and.u32 %w, %i, 32, %q;\n@%w ret;\nbar.sync 0; // here",
            ("setp.ge.and.u32 %w, %i, 32, %q;\n@%w ret;\n", "")) { Threads = [0] },
        new("two warps at two barriers", PtxFaultKind.BarrierDivergence,
            """
            setp.ge.u32 %w, %i, 32;
            and.pred %w, %w, %q;
            @%w bra OTHER;
            bar.sync 0; // here
            bra DONE;
            OTHER:
            bar.sync 1; // here
            DONE:
            """, "bar.sync 0;\nbar.sync 1;") { Threads = s_everyThread },
    ];

    private static IEnumerable<FaultCase> PartialWarps()
    {
        (string Name, string Instruction)[] instructions =
        [
            ("shfl", "shfl.sync.idx.b32 %r, %i, 0, 31, 0xffffffff;"),
            ("vote", "vote.sync.ballot.b32 %r, %p, 0xffffffff;"),
            ("a warp barrier", "bar.warp.sync 0xffffffff;"),
            ("ldmatrix", "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%m0, %m1, %m2, %m3}, [%mine];"),
            ("mma", "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
                + "{%f0, %f1, %f2, %f3}, {%i, %i, %i, %i}, {%i, %i}, {%f0, %f1, %f2, %f3};"),
        ];
        const string Before = "st.shared.v4.u32 [%mine], {%i, %i, %i, %i};\nbar.sync 0;\n";
        foreach ((string name, string instruction) in instructions)
        {
            yield return new($"{name} inside an if", PtxFaultKind.PartialWarp,
                $"{Before}@%p bra SKIP;\n{instruction} // here\nSKIP:", $"{Before}@%p bra SKIP;\nSKIP:\n{instruction}");
            yield return new($"{name} that one lane skips by its predicate", PtxFaultKind.PartialWarp,
                $"{Before}@!%p {instruction} // here", Before + instruction);
        }
        yield return new("a lane that is not in its own mask", PtxFaultKind.PartialWarp,
            "selp.b32 %s, 0xFFFFFFDF, 0xFFFFFFFF, %p;\nshfl.sync.idx.b32 %r, %i, 0, 31, %s; // here",
            "shfl.sync.idx.b32 %r, %i, 0, 31, -1;");
    }

    private static IEnumerable<FaultCase> Others() =>
    [
        new("a generic store to constant memory", PtxFaultKind.ReadOnlyMemory,
            "mov.u64 %a, fixed; cvta.const.u64 %a, %a; selp.b64 %a, %a, %data, %p; st.u32 [%a], %i; // here",
            ("st.u32 [%a], %i", "ld.u32 %r, [%a]"), "fixed"),
        new("a trap", PtxFaultKind.Trap,
            "@!%p bra SKIP;\ntrap; // here\nSKIP:", ("trap;\n", "")),
    ];

    private static IEnumerable<FaultCase> Table() =>
    [
        .. OutOfBounds(), .. Misaligned(), .. Unwritten(), .. Neighbours(), .. Races(), .. WarpRaceCases.All(),
        .. AsyncCopies(), .. Barriers(), .. PartialWarps(), .. Others(),
    ];

    [TestCaseSource(nameof(Table))]
    public void Wrong_code_is_reported_with_its_place(FaultCase fault)
    {
        string text = Text(fault.Wrong);
        for (ulong seed = 0; seed < 4; seed++)
        {
            using KernelRun run = new(text, new() { Seed = seed });
            (object[] arguments, Dictionary<string, ulong> starts) = Buffers(run);

            PtxFaultException error = Assert.Throws<PtxFaultException>(() =>
                run.Launch(BlockCount, BlockSize, arguments))!;

            string[] lines = (KernelRun.Header + text).Split('\n');
            Assert.That(error.Kind, Is.EqualTo(fault.Kind), error.Message);
            Assert.That(error.Kernel, Is.EqualTo("suspect"), error.Message);
            Assert.That(error.Block, Is.EqualTo(new Dim3(2, 0, 0)), error.Message);
            Assert.That(error.Thread,
                Is.AnyOf(fault.Threads.Select(thread => (object)new Dim3(thread, 0, 0)).ToArray()), error.Message);
            Assert.That(lines[error.Line - 1], Does.EndWith("// here"), error.Message);
            Assert.That(lines[error.Line - 1], Does.Contain(error.Instruction), error.Message);
            Assert.That(error.Address, fault.Space switch
            {
                null => Is.Null,
                "fixed" => Is.Not.Null,
                _ => Is.EqualTo(starts[fault.Space] + (ulong)fault.Offset)
                    .Or.EqualTo(starts[fault.Space] + (ulong)fault.OtherOffset),
            }, error.Message);
            Assert.That(error.Message,
                Does.Contain(error.Instruction).And.Contain("suspect").And.Contain(fault.Kind.ToString())
                .And.Contain($"{error.Block}").And.Contain($"{error.Thread}"));
            if (fault.Space is not null)
                Assert.That(error.Message, Does.Contain($"0x{error.Address:x}"));
        }
    }

    [TestCaseSource(nameof(Table))]
    public void Corrected_code_runs(FaultCase fault)
    {
        for (ulong seed = 0; seed < 4; seed++)
        {
            using KernelRun run = new(Text(fault.Right), new() { Seed = seed });
            (object[] arguments, _) = Buffers(run);

            run.Launch(BlockCount, BlockSize, arguments);

            Assert.That(run.Read<int>((ulong)arguments[2], BlockCount * BlockSize), Is.All.EqualTo(1));
        }
    }

    private static (object[] Arguments, Dictionary<string, ulong> Starts) Buffers(KernelRun run)
    {
        ulong[] data = [.. Enumerable.Range(0, BlockCount).Select(_ => run.Buffer(new int[63], "data"))];
        ulong[] fresh = [.. Enumerable.Range(0, BlockCount).Select(_ => run.Unwritten(256, "fresh"))];
        ulong target = run.Buffer(new int[BlockCount * BlockSize], "target");
        return ([run.Buffer(data), run.Buffer(fresh), target],
            new() { ["data"] = data[^1], ["fresh"] = fresh[^1], ["zero"] = 0, ["slots"] = 0, ["own"] = 0 });
    }

    private static string Text(string instructions) => $$"""
        .const .align 4 .b32 fixed[2] = {1, 2};
        .visible .entry suspect(.param .u64 data, .param .u64 fresh, .param .u64 target)
        {
            .shared .align 16 .b8 slots[1024];
            .local .align 16 .b8 own[64];
            .reg .pred %p, %q, %w, %z;
            .reg .b32 %i, %lane, %block, %flat, %x, %mine, %theirs, %r, %s, %m<8>;
            .reg .b64 %a, %data, %fresh, %target, %offset;
            .reg .f32 %f<4>;
            mov.u32 %i, %tid.x;
            and.b32 %lane, %i, 31;
            mov.u32 %block, %ctaid.x;
            mad.lo.u32 %flat, %block, {{BlockSize}}, %i;
            setp.eq.u32 %p, %flat, {{(2 * BlockSize) + 37}};
            setp.eq.u32 %q, %block, 2;
            selp.u32 %x, 1, 0, %p;
            and.b32 %r, %i, 31;
            setp.eq.and.u32 %z, %r, 5, %q;
            mov.u32 %r, slots;
            mad.lo.u32 %mine, %i, 16, %r;
            xor.b32 %theirs, %i, 32;
            mad.lo.u32 %theirs, %theirs, 16, %r;
            mov.f32 %f0, 0f00000000;
            mov.f32 %f1, %f0;
            mov.f32 %f2, %f0;
            mov.f32 %f3, %f0;
            ld.param.u64 %data, [data];
            mad.wide.u32 %data, %block, 8, %data;
            ld.global.u64 %data, [%data];
            ld.param.u64 %fresh, [fresh];
            mad.wide.u32 %fresh, %block, 8, %fresh;
            ld.global.u64 %fresh, [%fresh];
            ld.param.u64 %target, [target];
            mul.wide.u32 %offset, %flat, 4;
            add.u64 %target, %target, %offset;
            {{instructions}}
            cp.async.wait_all;
            st.global.u32 [%target], 1;
            ret;
        }
        """;
}
