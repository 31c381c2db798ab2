namespace PtxEmulator.Tests;

/// <summary>The syntax that the parser accepts and the errors for everything else.</summary>
internal sealed class ParseTests
{
    /// <summary>A faulty statement and a part of the expected message.</summary>
    [TestCase("frobnicate.u32 %r, %s, 1;", "frobnicate.u32"), TestCase("add.q32 %r, %s, 1;", "add.q32"),
        TestCase("add.u32 %r, %s;", "add.u32"), TestCase("add.u32 %r, %s, 1, 2;", "add.u32"),
        TestCase("add.u32 %r, %nobody, 1;", "%nobody"), TestCase("add %r, %s, 1;", "add"),
        TestCase("ld.global.v3.f32 {%f, %f, %f}, [%a];", "v3"), TestCase("ld.global.u32 %r, %a;", "ld.global.u32"),
        TestCase("ld.global.v2.u32 {%r}, [%a];", "v2"), TestCase("bra NOWHERE;", "NOWHERE"),
        TestCase("call nobody, (%r);", "nobody"), TestCase("ld.param.u32 %r, [missing];", "missing"),
        TestCase("mov.u32 %r, nothing;", "nothing"), TestCase("setp.sometimes.u32 %p, %r, 1;", "sometimes"),
        TestCase("add.u32 1, %r, %s;", "add.u32"), TestCase("@%r add.u32 %r, %s, 1;", "%r"),
        TestCase("brx.idx %r, NOLIST;", "NOLIST"), TestCase("st.global.u32 [%a], {%r, %s};", "st.global.u32"),
        TestCase("mma.sync.aligned.m7n7k7.row.col.f32.f16.f16.f32 {%f}, {%r}, {%r}, {%f};", "m7n7k7"),
        TestCase("ldmatrix.sync.aligned.m8n8.x3.shared.b16 {%r, %r, %r}, [%r];", "x3"),
        TestCase("cp.async.ca.shared.global [%r], [%a], 7;", "7"),
        TestCase("shfl.sync.sideways.b32 %r, %s, 1, 31, -1;", "sideways"),
        TestCase("add.f32 %f, %f, 0fXYZ;", "0fXYZ"), TestCase("mov.u32 %r, 99999999999999999999999;", "99999"),
        TestCase("fma.f32 %f, %f, %f, %f;", "fma.f32"), TestCase("div.f32 %f, %f, %f;", "div.f32"),
        TestCase("sqrt.f32 %f, %f;", "sqrt.f32"), TestCase("rcp.f32 %f, %f;", "rcp.f32"),
        TestCase("ex2.f32 %f, %f;", "ex2.f32"), TestCase("cvt.f32.s32 %f, %r;", "cvt.f32.s32"),
        TestCase("add.rz.f64 %w, %w, %w;", "add.rz.f64"), TestCase("sqrt.rp.f64 %w, %w;", "sqrt.rp.f64"),
        TestCase("cvt.s32.f32 %r, %f;", "cvt.s32.f32"),
        TestCase("wgmma.fence.sync.aligned;", "wgmma")]
    public void An_unknown_statement_is_an_error_that_quotes_it(string statement, string word)
    {
        string text = Kernel(statement);

        PtxParseException error = Assert.Throws<PtxParseException>(() => PtxModule.Parse(text))!;

        Assert.That(error.Message, Does.Contain(word));
        Assert.That(error.Text, Does.Contain(word).Or.EqualTo(statement.TrimEnd(';')));
        Assert.That(text.Split('\n')[error.Line - 1], Does.Contain(statement));
        Assert.That(error.Message, Does.Contain($"{error.Line}"));
    }

    [TestCase(""), TestCase("this is no PTX"), TestCase(".visible .entry open() {"),
        TestCase(".visible .entry k(.param .u32 a { ret; }"), TestCase(".visible .entry k() { ret }"),
        TestCase(".visible .entry k() { ret; } }"), TestCase(".frob 3;\n.visible .entry k() { ret; }"),
        TestCase(".visible .entry k() { .frob 3; ret; }"), TestCase(".visible .entry k() { L: L: ret; }"),
        TestCase(".visible .entry k() { ret; } .visible .entry k() { ret; }"),
        TestCase(".visible .entry k() { .reg .b32 %a; .reg .b32 %a; ret; }"),
        TestCase(".const .b32 t[1] = {1, 2};\n.visible .entry k() { ret; }"),
        TestCase("/* open comment\n.visible .entry k() { ret; }")]
    public void Text_that_is_not_a_module_is_an_error(string text) =>
        Assert.That(() => PtxModule.Parse(text.Length == 0 ? text : KernelRun.Header + text),
            Throws.InstanceOf<PtxParseException>());

    [Test]
    public void Addresses_have_64_bits() => Assert.That(
        () => PtxModule.Parse(".version 7.8\n.target sm_80\n.address_size 32\n.visible .entry small() { ret; }"),
        Throws.InstanceOf<PtxParseException>().With.Message.Contains("address_size"));

    [Test]
    public void Every_prefix_of_a_module_parses_or_is_a_parse_error()
    {
        string text = Kernel("""
            {
                .reg .b32 %z<4>;
                .shared .align 16 .b8 tile[64];
                ld.global.v2.u32 {%z0, %z1}, [%a+-8];
                @!%p setp.lt.and.u32 %p|%q, %z0, 0xFF, !%p;
                LOOP:
                @%p bra LOOP;
                mov.f32 %f, 0f3F800000;
            }
            """);

        Assert.That(() => PtxModule.Parse(text), Throws.Nothing);
        for (int length = 0; length < text.Length; length++)
        {
            try
            {
                PtxModule.Parse(text[..length]);
            }
            catch (PtxParseException)
            {
                // Every other exception fails the test.
            }
        }
    }

    [Test]
    public void Comments_debug_lines_and_directives_are_skipped()
    {
        PtxModule module = PtxModule.Parse("""
            // A comment.
            .version 8.1
            .target sm_80, debug
            .address_size 64
            .file 1 "kernel.cs"
            /* several
               lines */
            .weak .entry compact(.param .u64 a)
            .maxntid 128, 1, 1
            .minnctapersm 2
            .reqntid 128
            {
                .loc 1 20 3
                .pragma "nounroll";
                ret; // the end
            }
            .section .debug_str { .b8 65, 66, 0 }
            """);

        Assert.That(module.Entries.Keys, Is.EqualTo(new[] { "compact" }));
    }

    [TestCase("mov.u32 %r, 0x1F;", 31u), TestCase("mov.u32 %r, 037;", 31u), TestCase("mov.u32 %r, 0b11111;", 31u),
        TestCase("mov.u32 %r, 31U;", 31u), TestCase("mov.s32 %r, -1;", uint.MaxValue),
        TestCase("mov.u32 %r, 4294967295;", uint.MaxValue), TestCase("mov.b32 %r, 0f3F800000;", 0x3F80_0000u),
        TestCase("mov.b32 %r, 0F3f800000;", 0x3F80_0000u), TestCase("mov.f32 %f, 0.5; mov.b32 %r, %f;", 0x3F00_0000u),
        TestCase("mov.f32 %f, 1e2; mov.b32 %r, %f;", 0x42C8_0000u),
        TestCase("mov.f32 %f, -1.5; mov.b32 %r, %f;", 0xBFC0_0000u),
        TestCase("mov.f32 %f, 0d3FF0000000000000; mov.b32 %r, %f;", 0x3F80_0000u), TestCase("add.u32 %r, 5, -3;", 2u),
        TestCase("mov.u32 %r, tile;", 0u)]
    public void Literals(string statement, uint expected)
    {
        using KernelRun run = new($$"""
            .visible .entry literal(.param .u64 result)
            {
                .shared .align 16 .b8 tile[16];
                .reg .b32 %r;
                .reg .f32 %f;
                .reg .b64 %a;
                ld.param.u64 %a, [result];
                {{statement}}
                st.global.u32 [%a], %r;
                ret;
            }
            """);
        ulong result = run.Buffer(new uint[1]);

        run.Launch(1, 1, result);

        Assert.That(run.Read<uint>(result, 1)[0], Is.EqualTo(expected));
    }

    [Test]
    public void A_launch_must_name_an_existing_entry()
    {
        PtxModule module = PtxModule.Parse(Kernel("ret;"));
        using EmulatedGpu gpu = new(new());

        Assert.That(() => gpu.Launch(module, "nobody", new Dim3(1), new Dim3(1), 0, new byte[8]),
            Throws.InstanceOf<ArgumentException>().With.Message.Contains("nobody"));
    }

    [Test]
    public void A_launch_needs_the_right_parameter_bytes_and_a_valid_size()
    {
        PtxModule module = PtxModule.Parse(Kernel("ret;"));
        using EmulatedGpu gpu = new(new());

        Assert.Multiple(() =>
        {
            Refuses(new Dim3(1), new Dim3(1), 0, 7);
            Refuses(new Dim3(0), new Dim3(1), 0, 8);
            Refuses(new Dim3(1, 70_000), new Dim3(1), 0, 8);
            Refuses(new Dim3(1), new Dim3(1025), 0, 8);
            Refuses(new Dim3(1), new Dim3(32, 32, 2), 0, 8);
            Refuses(new Dim3(1), new Dim3(1), -1, 8);
            Refuses(new Dim3(1), new Dim3(1), 1 << 20, 8);
            Refuses(new Dim3(1), new Dim3(1), int.MaxValue, 8);
        });

        void Refuses(Dim3 grid, Dim3 block, int sharedBytes, int parameterBytes) => Assert.That(
            () => gpu.Launch(module, "known", grid, block, sharedBytes, new byte[parameterBytes]),
            Throws.InstanceOf<ArgumentException>(), $"{grid} {block} {sharedBytes} {parameterBytes}");
    }

    private static string Kernel(string statement) => $$"""
        {{KernelRun.Header}}
        .visible .entry known(.param .u64 there)
        {
            .reg .pred %p, %q;
            .reg .b32 %r, %s;
            .reg .b64 %a;
            .reg .f32 %f;
            .reg .f64 %w;
            ld.param.u64 %a, [there];
            {{statement}}
            ret;
        }
        """;
}
