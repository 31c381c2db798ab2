namespace PtxEmulator.Tests;

/// <summary>Races in shared memory of thread 37 with thread 36 of the same warp, whose words are at %s.</summary>
internal static class WarpRaceCases
{
    public static IEnumerable<FaultCase> All()
    {
        const string Before = "st.shared.v4.u32 [%mine], {%i, %i, %i, %i};\nbar.sync 0;\nxor.b32 %s, %mine, 16;\n";
        const string Barrier = "bar.warp.sync 0xffffffff;\n";
        const string Matrix = "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%m0, %m1, %m2, %m3}, [%mine];";
        const int Own = 37 * 16;
        const int Other = 36 * 16;
        yield return new("a read of another thread's write", PtxFaultKind.WarpRace,
            Before + "st.shared.u32 [%mine], 7;\n@%p ld.shared.u32 %r, [%s]; // here", ("@%p", Barrier + "@%p"),
            "slots", Other);
        yield return new("a barrier of other threads", PtxFaultKind.WarpRace,
            Before + """
            st.shared.u32 [%mine], 7;
            setp.lt.u32 %w, %lane, 5;
            selp.b32 %m0, 0x1f, 0xffffffe0, %w;
            bar.warp.sync %m0;
            @%p ld.shared.u32 %r, [%s]; // here
            """, ("%lane, 5;\nselp.b32 %m0, 0x1f, 0xffffffe0", "%lane, 4;\nselp.b32 %m0, 0xf, 0xfffffff0"),
            "slots", Other);
        yield return new("a shuffle in place of a barrier", PtxFaultKind.WarpRace,
            Before + """
            st.shared.u32 [%mine], 7;
            shfl.sync.idx.b32 %r, %i, 0, 31, 0xffffffff;
            @%p ld.shared.u32 %r, [%s]; // here
            """, ("shfl.sync.idx.b32 %r, %i, 0, 31, 0xffffffff", "bar.warp.sync 0xffffffff"), "slots", Other);
        yield return new("a write over what another thread reads", PtxFaultKind.WarpRace,
            Before + "ld.shared.u32 %r, [%s];\n@%p st.shared.u32 [%mine], 7; // here", ("@%p", Barrier + "@%p"),
            "slots", Own);
        yield return new("a write over what all threads read", PtxFaultKind.WarpRace,
            Before + "mov.u32 %s, slots;\nsetp.ge.u32 %w, %i, 32;\n@!%w bra SKIP;\nld.shared.u32 %r, [%s+592];\n"
                + "@%p st.shared.u32 [%mine], 7; // here\nSKIP:", ("@%p", Barrier + "@%p"), "slots", Own);
        yield return new("a write over another thread's write", PtxFaultKind.WarpRace,
            Before + "st.shared.u32 [%mine], 7;\n@%p st.shared.u32 [%s], 7; // here", ("@%p", Barrier + "@%p"),
            "slots", Other);
        yield return new("two values for a word in one instruction", PtxFaultKind.WarpRace,
            Before + "selp.b32 %s, %s, %mine, %p;\nst.shared.u32 [%s], %i; // here", ("[%s], %i", "[%s], 7"),
            "slots", Other);
        yield return new("a value of each thread for one word", PtxFaultKind.WarpRace,
            "@!%q bra SKIP;\nmov.u32 %s, slots;\nsetp.lt.u32 %w, %i, 32;\n@%w bra SKIP;\n"
                + "st.shared.u32 [%s+64], %i; // here\nSKIP:", ("%i;\nSKIP", "7;\nSKIP"), "slots", 64)
        { Threads = [33] };
        yield return new("a read of another thread's atomic", PtxFaultKind.WarpRace,
            Before + "atom.shared.add.u32 %r, [%mine], 1;\n@%p ld.shared.u32 %r, [%s]; // here",
            ("ld.shared.u32 %r, [%s]", "atom.shared.add.u32 %r, [%s], 1"), "slots", Other);
        yield return new("a matrix of another thread's write", PtxFaultKind.WarpRace,
            $"{Before}@%p st.shared.u32 [%mine], 7;\n{Matrix} // here", (Matrix, Barrier + Matrix), "slots", Own);
        yield return new("a write over the row of a matrix", PtxFaultKind.WarpRace,
            $"{Before}{Matrix}\n@%p st.shared.u32 [%mine+4], 7; // here", ("@%p", Barrier + "@%p"), "slots", Own + 4);
        yield return new("a write over the row of a transposed matrix", PtxFaultKind.WarpRace,
            $"{Before}{Matrix.Replace("x4", "x4.trans", StringComparison.Ordinal)}\n"
                + "@%p st.shared.u32 [%mine+4], 7; // here", ("@%p", Barrier + "@%p"), "slots", Own + 4);
        yield return new("a copy over what another thread reads", PtxFaultKind.WarpRace,
            Before + "ld.shared.u32 %r, [%s];\n@%p cp.async.ca.shared.global [%mine], [%data], 16; // here",
            ("@%p", Barrier + "@%p"), "slots", Own);
    }
}
