namespace PtxEmulator.Tests;

/// <summary>The syntax of the instructions of warpgroups, and the module that they need.</summary>
internal sealed class WgmmaParseTests
{
    private const string Start = "wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {%f0, %f1, %f2, %f3}, ";

    [TestCase(Start + "%a, %b, 1, 1, 1, 0, 0;"), TestCase(Start + "%a, %b, 0, -1, -1, 1, 1;"),
        TestCase(Start + "%a, %b, %p, 1, 1, 0, 0;"), TestCase(Start + "%a, %b, !%p, 1, 1, 0, 0;"),
        TestCase(Start + "{%r0, %r1, %r2, %r3}, %b, 1, 1, -1, 1;"), TestCase("wgmma.fence.sync.aligned;"),
        TestCase("wgmma.commit_group.sync.aligned;"), TestCase("wgmma.wait_group.sync.aligned 7;"),
        TestCase("fence.proxy.async;"), TestCase("fence.proxy.async.shared::cta;"),
        TestCase("fence.proxy.async.shared::cluster;"), TestCase("fence.proxy.async.global;")]
    public void A_valid_instruction_is_decoded(string statement)
        => Assert.That(() => Parse(statement), Throws.Nothing);

    /// <summary>A faulty statement and a part of the expected message.</summary>
    [TestCase("wgmma.mma_async.sync.aligned.m64n8k16.f16.f16.f16 {%r0, %r1}, %a, %b, 1, 1, 1, 0, 0;", "float32 (.f32)"),
        TestCase("wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.bf16 {%f0, %f1, %f2, %f3}, %a, %b, 1, 1, 1, 0, 0;",
            "not supported"),
        TestCase("wgmma.mma_async.sync.aligned.m64n8k8.f32.tf32.tf32 {%f0, %f1, %f2, %f3}, %a, %b, 1, 1, 1;",
            "m64n8k8"),
        TestCase("wgmma.mma_async.sync.aligned.m64n12k16.f32.f16.f16 {%f0, %f1, %f2, %f3}, %a, %b, 1, 1, 1, 0, 0;",
            "multiple of 8 up to 256"),
        TestCase("wgmma.mma_async.sync.aligned.m64n264k16.f32.f16.f16 {%f0, %f1, %f2, %f3}, %a, %b, 1, 1, 1, 0, 0;",
            "multiple of 8 up to 256"),
        TestCase("wgmma.mma_async.sync.aligned.m64n16k16.f32.f16.f16 {%f0, %f1, %f2, %f3}, %a, %b, 1, 1, 1, 0, 0;",
            "must have 8 registers, it has 4"),
        TestCase("wgmma.mma_async.sync.m64n8k16.f32.f16.f16 {%f0, %f1, %f2, %f3}, %a, %b, 1, 1, 1, 0, 0;",
            "not supported"),
        TestCase("wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {%f0, %f1, %f2, %f0}, %a, %b, 1, 1, 1, 0, 0;",
            "must differ"),
        TestCase("wgmma.mma_async.sp.sync.aligned.m64n8k16.f32.f16.f16 {%f0, %f1, %f2, %f3}, %a, %b, 1, 1, 1, 0, 0;",
            ".sp"),
        TestCase(Start + "%a, %b, 1, 2, 1, 0, 0;", "operand 5 must be 1 or -1, it is 2"),
        TestCase(Start + "%a, %b, 1, 1, 0, 0, 0;", "operand 6 must be 1 or -1, it is 0"),
        TestCase(Start + "%a, %b, 1, 1, 1, 2, 0;", "operand 7 must be 0 or 1, it is 2"),
        TestCase(Start + "%a, %b, 1, 1, 1, 0, -1;", "operand 8 must be 0 or 1, it is -1"),
        TestCase(Start + "%a, %b, 1, 1, 1, 0;", "operands"), TestCase(Start + "%r0, %b, 1, 1, 1, 0, 0;", "as wide"),
        TestCase(Start + "{%r0, %r1}, %b, 1, 1, 1, 0;", "must have 4 registers"),
        TestCase(Start + "{%r0, %r1, %r2, %r3}, %b, 1, 1, 1, 0, 0;", "operands"),
        TestCase("wgmma.fence.sync;", "not supported"), TestCase("wgmma.wait_group.sync.aligned -1;", "negative"),
        TestCase("wgmma.wait_group.sync.aligned;", "operands"), TestCase("fence.proxy.async.local;", "local")]
    public void A_faulty_instruction_is_an_error_that_says_what_is_expected(string statement, string words)
        => Assert.That(() => Parse(statement), Throws.InstanceOf<PtxParseException>().With.Message.Contains(words));

    [TestCase(".version 8.0\n.target sm_90", "'.target sm_90a', found '.target sm_90'"),
        TestCase(".version 8.3\n.target sm_100a", "'.target sm_90a', found '.target sm_100a'"),
        TestCase(".version 8.0\n.target sm_80, debug", "found '.target sm_80, debug'"),
        TestCase(".version 7.8\n.target sm_90a", "'.version 8.0' or later, found '.version 7.8'")]
    public void The_module_must_be_for_Hopper(string header, string words)
    {
        foreach (string statement in new[] { "wgmma.fence.sync.aligned;", Start + "%a, %b, 1, 1, 1, 0, 0;" })
        {
            Assert.That(() => Parse(statement, header),
                Throws.InstanceOf<PtxParseException>().With.Message.Contains(words));
        }
    }

    [TestCase(".version 8.0\n.target sm_90a"), TestCase(".version 8.6\n.target sm_90a, debug"),
        TestCase(".version 10.0\n.target sm_90a"), TestCase(".version 8.0 .target sm_90a")]
    public void A_module_for_Hopper_has_them(string header)
        => Assert.That(() => Parse("wgmma.fence.sync.aligned;", header), Throws.Nothing);

    private static void Parse(string statement, string header = ".version 8.0\n.target sm_90a") => PtxModule.Parse($$"""
        {{header}}
        .address_size 64
        .extern .shared .align 1024 .b8 memory[];
        .visible .entry k()
        .maxntid 128, 1, 1
        .minnctapersm 1
        {
            .reg .pred %p;
            .reg .b32 %r<4>;
            .reg .f32 %f<4>;
            .reg .b64 %a, %b;
            .pragma "nounroll";
            {{statement}}
            ret;
        }
        """);
}
