namespace PtxEmulator.Tests;

/// <summary>Products of warpgroups that break a rule of the ISA, and the corrected code.</summary>
/// <remarks>The code runs in one block of 256 threads, two warpgroups. %p is true in thread 37, %q in its warp, %z in
/// the second warpgroup, %x in its thread 200, %half in the first two warps. Shared memory has 12288 bytes, of which
/// the first 9216 are 0 and fenced: A is at 0 and B at 8192, both K-major with the 128-byte swizzle, described by
/// %descA and %descB; %descC describes unwritten bytes at 9216. %spot is the address 16, which the products read; 48
/// is one that they do not read. %data points to 16 bytes of global memory. %d0 to %d7 are accumulators, %e0 to %e3
/// others, %g0 to %g3 such that no instruction has accessed, %a0 to %a3 registers of A.</remarks>
internal static class WgmmaFaultCases
{
    private const string Fence = "wgmma.fence.sync.aligned;\n";
    private const string Commit = "wgmma.commit_group.sync.aligned;\n";
    private const string Wait = "wgmma.wait_group.sync.aligned 0;\n";
    private const string ProxyFence = "fence.proxy.async;\n";
    private const string Barrier = "bar.sync 0;\n";
    private const string Here = " // here\n";
    private const string Product = "wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {%d0, %d1, %d2, %d3}, %descA, "
        + "%descB, 1, 1, 1, 0, 0;";

    private const string OtherProduct = "wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {%e0, %e1, %e2, %e3}, "
        + "%descA, %descB, 1, 1, 1, 0, 0;";

    private const string WideProduct = "wgmma.mma_async.sync.aligned.m64n16k16.f32.f16.f16 {%d0, %d1, %d2, %d3, %d4, "
        + "%d5, %d6, %d7}, %descA, %descA, 1, 1, 1, 0, 0;";

    private const string Untouched = "wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {%g0, %g1, %g2, %g3}, %descA, "
        + "%descB, 0, 1, 1, 0, 0;";

    private const string RegisterProduct = "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%d0, %d1, %d2, %d3}, "
        + "{%a0, %a1, %a2, %a3}, %descB, 1, 1, 1, 0;";

    private const string Multiply = Fence + Product + "\n" + Commit + Wait;


    private const int Spot = 16;

    public static IEnumerable<FaultCase> All()
        => [.. ProxyFences(), .. Orders(), .. Registers(), .. RegisterFences(), .. Overwrites(), .. Ends(),
            .. Sequences(), .. Descriptors()];

    private static IEnumerable<FaultCase> ProxyFences()
    {
        string product = Fence + Product + Here + Commit + Wait;
        yield return First(new("a store without a fence", PtxFaultKind.ProxyFenceMissing,
            "@%p st.shared.u32 [%spot], 0;\n" + Barrier + product, (Barrier, ProxyFence + Barrier), "memory", Spot));
        yield return First(new("a fence after the barrier", PtxFaultKind.ProxyFenceMissing,
            "@%p st.shared.u32 [%spot], 0;\n" + Barrier + ProxyFence + product,
            (Barrier + ProxyFence, ProxyFence + Barrier), "memory", Spot));
        yield return First(new("a fence before the store", PtxFaultKind.ProxyFenceMissing,
            ProxyFence + "@%p st.shared.u32 [%spot], 0;\n" + Barrier + product,
            (ProxyFence + "@%p st.shared.u32 [%spot], 0;\n", "@%p st.shared.u32 [%spot], 0;\n" + ProxyFence),
            "memory", Spot));
        yield return First(new("a fence of the other threads", PtxFaultKind.ProxyFenceMissing,
            "@%p st.shared.u32 [%spot], 0;\n@!%p " + ProxyFence + Barrier + product, ("@!%p ", ""), "memory", Spot));
        yield return First(new("a fence for global memory", PtxFaultKind.ProxyFenceMissing,
            "@%p st.shared.u32 [%spot], 0;\nfence.proxy.async.global;\n" + Barrier + product,
            (".global;", ".shared::cta;"), "memory", Spot));
        yield return First(new("a store after a fenced one", PtxFaultKind.ProxyFenceMissing,
            "@%p st.shared.u32 [%spot], 1;\n" + ProxyFence + "@%p st.shared.u32 [%spot], 0;\n" + Barrier + product,
            ("@%p st.shared.u32 [%spot], 0;\n" + Barrier, Barrier + "@%p st.shared.u32 [%spot+32], 0;\n"),
            "memory", Spot));
        yield return First(new("an atomic without a fence", PtxFaultKind.ProxyFenceMissing,
            "@%p red.shared.add.u32 [%spot], 0;\n" + Barrier + product, (Barrier, ProxyFence + Barrier), "memory",
            Spot));
        yield return First(new("a matrix of stores without a fence", PtxFaultKind.ProxyFenceMissing,
            "mov.u32 %r, 0;\n@%q stmatrix.sync.aligned.m8n8.x1.shared.b16 [%row], {%r};\n" + Barrier + product,
            (Barrier, ProxyFence + Barrier), "memory", 32 * 128));
        string copy = "@%p cp.async.ca.shared.global [%spot], [%data], 16;\ncp.async.commit_group;\n";
        yield return First(new("a copy whose fence comes before its wait", PtxFaultKind.ProxyFenceMissing,
            copy + ProxyFence + "cp.async.wait_group 0;\n" + Barrier + product,
            (ProxyFence + "cp.async.wait_group 0;\n", "cp.async.wait_group 0;\n" + ProxyFence), "memory", Spot));
        yield return First(new("a copy without a fence", PtxFaultKind.ProxyFenceMissing,
            copy + "cp.async.wait_group 0;\n" + Barrier + product, (Barrier, ProxyFence + Barrier), "memory", Spot));
    }

    private static IEnumerable<FaultCase> Orders()
    {
        string product = Fence + Product + Here + Commit + Wait;
        yield return new("a store without a barrier", PtxFaultKind.SharedRace,
            "@%p st.shared.u32 [%spot], 0;" + Here + ProxyFence + product, (ProxyFence, ProxyFence + Barrier),
            "memory", Spot)
        { Threads = [0, 37] };
        yield return new("a barrier of some of the warps", PtxFaultKind.SharedRace,
            "@%z bra END;\n@%p st.shared.u32 [%spot], 0;" + Here + ProxyFence + "@%half bar.sync 1, 64;\n"
                + $"@%half bra GO;\n{Delay("LATE", 3000)}GO:\n{product}END:\n",
            ("@%half bar.sync 1, 64", "bar.sync 1, 128"), "memory", Spot)
        { Threads = [37, 64] };
        yield return First(new("unwritten bytes", PtxFaultKind.UninitializedRead,
            Fence + Product.Replace("%descB", "%descC", StringComparison.Ordinal) + Here + Commit + Wait,
            ("%descC", "%descB"), "memory", 9216));
        yield return First(new("a copy that is pending", PtxFaultKind.AsyncCopyNotWaited,
            "@%p cp.async.ca.shared.global [%spot], [%data], 16;\n" + ProxyFence + Barrier + product,
            (ProxyFence, "cp.async.wait_all;\n" + ProxyFence), "memory", Spot));
    }

    private static IEnumerable<FaultCase> Registers()
    {
        (string Name, string Instruction)[] accesses =
        [
            ("reading", "mov.f32 %f, %d0;"), ("writing", "mov.f32 %d3, 0f00000000;"),
            ("storing", "st.global.f32 [%target], %d2;"), ("loading", "ld.shared.f32 %d1, [%spot+32];"),
        ];
        foreach ((string name, string instruction) in accesses)
        {
            yield return First(new($"{name} an accumulator before the wait", PtxFaultKind.WarpgroupNotWaited,
                Fence + Product + "\n" + Commit + instruction + Here + Wait,
                Fence + Product + "\n" + Commit + Wait + instruction));
        }
        yield return First(new("a result of the group that is pending", PtxFaultKind.WarpgroupNotWaited,
            Fence + Product + "\n" + Commit + OtherProduct + "\n" + Commit
                + "wgmma.wait_group.sync.aligned 1;\nadd.f32 %f, %d0, %d0;\nadd.f32 %f, %e0, %e0;" + Here + Wait,
            ("%e0, %e0;", "%d0, %d0;")));
        yield return First(new("a result of a group that is not closed", PtxFaultKind.WarpgroupNotWaited,
            Fence + Product + "\n" + Wait + "mov.f32 %f, %d0;" + Here + Commit + Wait,
            (Wait + "mov", Commit + Wait + "mov")));
        yield return First(new("a register of A that is overwritten", PtxFaultKind.WarpgroupNotWaited,
            Fence + RegisterProduct + "\n" + Commit + "mov.b32 %a2, 0;" + Here + Wait,
            (Commit + "mov.b32 %a2, 0;", Commit + Wait + "mov.b32 %a2, 0;")));
        yield return First(new("another shape on accumulators in flight", PtxFaultKind.WarpgroupNotWaited,
            Fence + Product + "\n" + Commit + Fence + WideProduct + Here + Commit + Wait,
            (Commit + Fence, Commit + Wait + Fence)));
        yield return First(new("A in accumulators in flight", PtxFaultKind.WarpgroupNotWaited,
            Fence + Product + "\n" + Commit + Fence + Inputs + Here + Commit + Wait,
            (Commit + Fence, Commit + Wait + Fence)));
    }

    private const string Inputs = "wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {%e0, %e1, %e2, %e3}, "
        + "{%d0, %d1, %d2, %d3}, %descB, 1, 1, 1, 0;";

    private static IEnumerable<FaultCase> RegisterFences()
    {
        yield return First(new("a first product without a fence", PtxFaultKind.WarpgroupFenceMissing,
            Product + Here + Commit + Wait, Multiply));
        yield return First(new("untouched accumulators without a fence", PtxFaultKind.WarpgroupFenceMissing,
            Untouched + Here + Commit + Wait, Fence + Untouched + "\n" + Commit + Wait));
        yield return First(new("an accumulator written after the fence", PtxFaultKind.WarpgroupFenceMissing,
            Fence + "mov.f32 %d2, 0f00000000;\n" + Product + Here + Commit + Wait,
            (Fence + "mov.f32 %d2, 0f00000000;\n", "mov.f32 %d2, 0f00000000;\n" + Fence)));
        yield return First(new("an accumulator read after the wait", PtxFaultKind.WarpgroupFenceMissing,
            Multiply + "mov.f32 %f, %d3;\n" + Product + Here + Commit + Wait,
            ("%d3;\nwgmma.mma", $"%d3;\n{Fence}wgmma.mma")));
        yield return First(new("a register of A written after the fence", PtxFaultKind.WarpgroupFenceMissing,
            Fence + "mov.b32 %a1, 0;\n" + RegisterProduct + Here + Commit + Wait,
            (Fence + "mov.b32 %a1, 0;\n", "mov.b32 %a1, 0;\n" + Fence)));
        yield return First(new("another shape without a fence", PtxFaultKind.WarpgroupFenceMissing,
            Multiply + WideProduct + Here + Commit + Wait, (Wait + "wgmma.mma", Wait + Fence + "wgmma.mma")));
        yield return First(new("A in accumulators without a fence", PtxFaultKind.WarpgroupFenceMissing,
            Multiply + Inputs + Here + Commit + Wait, (Wait + "wgmma.mma", Wait + Fence + "wgmma.mma")));
        yield return First(new("accumulators in the registers of A without a fence",
            PtxFaultKind.WarpgroupFenceMissing,
            Fence + Inputs + "\n" + Commit + Wait + Product + Here + Commit + Wait,
            (Wait + "wgmma.mma", Wait + Fence + "wgmma.mma")));
    }

    private static IEnumerable<FaultCase> Overwrites()
    {
        string product = Fence + Product + "\n" + Commit;
        foreach ((string name, string write) in new[]
        {
            ("a store", "@%p st.shared.u32 [%spot], 0;"), ("an atomic", "@%p red.shared.add.u32 [%spot], 0;"),
            ("a copy", "@%p cp.async.ca.shared.global [%spot], [%data], 16;"),
        })
        {
            yield return new($"{name} to bytes in use", PtxFaultKind.WarpgroupNotWaited,
                product + write + Here + Wait, product + Wait + Barrier + write, "memory", Spot);
            yield return new($"{name} beside bytes in use", PtxFaultKind.WarpgroupNotWaited,
                product + write + Here + Wait,
                product + write.Replace("[%spot]", "[%spot+32]", StringComparison.Ordinal) + "\n" + Wait,
                "memory", Spot);
            yield return new($"{name} after the wait without a barrier", PtxFaultKind.SharedRace,
                product + Wait + write + Here, product + Wait + Barrier + write, "memory", Spot);
        }
        string late = """
            @%z bra OTHER;
            {0}bar.sync 0;
            {1}bra DONE;
            OTHER:
            bar.sync 0;
            @%x st.shared.u32 [%spot], 0;{2}
            DONE:
            """;
        yield return new("a wait after the barrier", PtxFaultKind.WarpgroupNotWaited,
            string.Format(null, late, product, Wait, " // here"), string.Format(null, late, product + Wait, "", ""),
            "memory", Spot)
        { Threads = [200] };
        string idle = $"""
            @%z bra OTHER;
            {product}{Wait}@!%q bra DONE;
            {Delay("LONG", 8000)}@%p st.shared.u32 [%spot], 0;{Here}bra DONE;
            OTHER:
            {Delay("SHORT", 4000)}{Fence}{RegisterProduct}
            {Commit}{Wait}DONE:
            """;
        yield return new("a store after others' waits and products", PtxFaultKind.SharedRace, idle,
            ("@!%q bra DONE;", "bar.sync 1, 128;\n@!%q bra DONE;"), "memory", Spot);
        yield return new("a store to the other operand in use", PtxFaultKind.WarpgroupNotWaited,
            product + "@%p st.shared.u32 [%spot+8176], 0;" + Here + Wait, ("8176", "8208"), "memory", 8192);
    }

    private static IEnumerable<FaultCase> Ends()
    {
        const string Store = "st.global.u32 [%target], 1;\n";
        yield return First(new("the end with a product in flight", PtxFaultKind.WarpgroupNotWaited,
            Fence + Product + "\n" + Commit + Store + "ret;" + Here,
            Fence + Product + "\n" + Commit + Wait + Store + "ret;"));
        yield return First(new("the end with a product that is not committed", PtxFaultKind.WarpgroupNotWaited,
            Fence + Product + "\n" + Wait + Store + "ret;" + Here,
            Fence + Product + "\n" + Commit + Wait + Store + "ret;"));
        yield return First(new("the end with the last group in flight", PtxFaultKind.WarpgroupNotWaited,
            Fence + Product + "\n" + Commit + Product + "\n" + Commit + "wgmma.wait_group.sync.aligned 1;\n" + Store
                + "ret;" + Here, ("aligned 1", "aligned 0")));
    }

    private static IEnumerable<FaultCase> Sequences()
    {
        int[] either = [0, 32];
        yield return new("a warp that leaves out a product", PtxFaultKind.WarpgroupDivergence,
            "@%q bra SKIP;\n" + Multiply + "SKIP:\nst.global.u32 [%target], 1;\nret;" + Here,
            Multiply + "st.global.u32 [%target], 1;\nret;")
        { Threads = [32] };
        yield return new("a warp with other instructions", PtxFaultKind.WarpgroupDivergence,
            Fence + "@%q bra OTHER;\n" + Product + Here + Commit + Wait + "bra DONE;\nOTHER:\n" + OtherProduct + Here
                + Commit + Wait + "DONE:\n", Multiply)
        { Threads = either };
        yield return new("a warp with another descriptor", PtxFaultKind.WarpgroupDivergence,
            "selp.b64 %descB, %descA, %descB, %q;\n" + Fence + Product + Here + Commit + Wait,
            ("%descB, %q", "%descA, %q"))
        { Threads = either };
        yield return new("a warp with another scale of D", PtxFaultKind.WarpgroupDivergence,
            Fence + Product.Replace("%descB, 1,", "%descB, %q,", StringComparison.Ordinal) + Here + Commit + Wait,
            ("%descB, %q,", "%descB, %yes,"))
        { Threads = either };
        yield return new("a product inside an if", PtxFaultKind.PartialWarp,
            $"{Fence}@%p bra SKIP;\n{Product}{Here}SKIP:\n{Commit}{Wait}",
            $"{Fence}@%p bra SKIP;\nSKIP:\n{Product}\n{Commit}{Wait}");
        foreach (string instruction in new[] { Fence, Commit, Wait })
        {
            yield return new($"{instruction.Split('.')[1]} that one thread skips", PtxFaultKind.PartialWarp,
                "@!%p " + instruction.TrimEnd() + Here, instruction);
        }
    }

    private static IEnumerable<FaultCase> Descriptors()
    {
        yield return new("a descriptor that differs in one thread", PtxFaultKind.InvalidDescriptor,
            "selp.b64 %descB, %descA, %descB, %p;\n" + Fence + Product + Here + Commit + Wait,
            ("%descB, %p", "%descA, %p"));
        yield return new("a scale of D that differs in one thread", PtxFaultKind.InvalidDescriptor,
            Fence + Product.Replace("%descB, 1,", "%descB, %p,", StringComparison.Ordinal) + Here + Commit + Wait,
            ("%descB, %p,", "%descB, %yes,"))
        { Threads = [32] };
        foreach (int bit in new[] { 14, 15, 30, 31, 46, 47, 48, 52, 61 })
            yield return Bad($"the reserved bit {bit}", 1ul << bit);
        yield return Bad("a start of the second row of a pattern", 128 >> 4);
        yield return Bad("a base offset without need", 1ul << 49);
        yield return First(new("a matrix past the end of shared memory", PtxFaultKind.OutOfBounds,
            $"add.u64 %descB, %descB, {4096 >> 4};\n" + Fence + Product + Here + Commit + Wait,
            ($"{4096 >> 4}", "0"), "memory", 8192 + 4096 + (7 * 128) + 112));
    }

    /// <summary>Lets the other warps run first.</summary>
    private static string Delay(string label, int count) => $"""
        mov.u32 %r, 0;
        {label}:
        add.u32 %r, %r, 1;
        setp.lt.u32 %yes, %r, {count};
        @%yes bra {label};

        """;

    private static FaultCase Bad(string name, ulong bits) => First(new(name, PtxFaultKind.InvalidDescriptor,
        $"xor.b64 %descB, %descB, 0x{bits:x};\n" + Fence + Product + Here + Commit + Wait, ($"0x{bits:x}", "0x0")));

    /// <summary>A fault of all warps, of which the first is reported.</summary>
    private static FaultCase First(FaultCase fault) => fault with { Threads = [0] };
}
