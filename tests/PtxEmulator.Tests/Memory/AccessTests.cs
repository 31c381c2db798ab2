namespace PtxEmulator.Tests;

/// <summary>Loads and stores of every width and type in every state space.</summary>
internal sealed class AccessTests
{
    private const int ThreadCount = 64;

    private static readonly string[] s_widths =
    [
        "b8", "b16", "b32", "b64", "u8", "s8", "u16", "s16", "u32", "s32", "u64", "s64", "f32", "f64", "v2.b8", "v4.b8",
        "v2.b16",
        "v4.b16", "v2.b32", "v4.b32", "v2.u32", "v4.s32", "v2.f32", "v4.f32", "v2.b64", "v2.u64", "v2.f64",
    ];

    /// <summary>Copies from global to shared to local memory and back to global memory, through a vector of registers
    /// of the type.</summary>
    [Test]
    public void A_round_trip_through_all_spaces_keeps_the_bytes([ValueSource(nameof(s_widths))] string width)
    {
        string type = width.Split('.')[^1];
        int count = width[0] == 'v' ? width[1] - '0' : 1;
        int elementBytes = int.Parse(type[1..], System.Globalization.CultureInfo.InvariantCulture) / 8;
        int bytes = count * elementBytes;
        string registers = string.Join(", ", Enumerable.Range(0, count).Select(index => $"%x{index}"));
        string list = count == 1 ? registers : $"{{{registers}}}";
        string declared = type[0] == 'f' ? type : $"b{Math.Max(16, 8 * elementBytes)}";
        using KernelRun run = new($$"""
            .shared .align 32 .b8 tile[{{ThreadCount * bytes}}];
            .visible .entry copy(.param .u64 source, .param .u64 target)
            {
                .local .align 32 .b8 own[32];
                .reg .{{declared}} {{registers}};
                .reg .b32 %i, %at, %base;
                .reg .b64 %in, %out, %offset, %spot;
                mov.u32 %i, %tid.x;
                mul.wide.u32 %offset, %i, {{bytes}};
                ld.param.u64 %in, [source];
                add.u64 %in, %in, %offset;
                ld.param.u64 %out, [target];
                add.u64 %out, %out, %offset;
                mul.lo.u32 %at, %i, {{bytes}};
                mov.u32 %base, tile;
                add.u32 %at, %at, %base;
                mov.u64 %spot, own;
                ld.global.{{width}} {{list}}, [%in];
                st.shared.{{width}} [%at], {{list}};
                ld.shared.{{width}} {{list}}, [%at];
                st.local.{{width}} [%spot], {{list}};
                ld.local.{{width}} {{list}}, [%spot];
                st.global.{{width}} [%out], {{list}};
                ret;
            }
            """);
        byte[] contents = new byte[ThreadCount * bytes];
        new Random(1).NextBytes(contents);
        ulong target = run.Buffer(new byte[contents.Length]);

        run.Launch(1, ThreadCount, run.Buffer(contents), target);

        Assert.That(run.Read<byte>(target, contents.Length), Is.EqualTo(contents));
    }

    [TestCase("ld.global.s8 %r, [%in];", -128L), TestCase("ld.global.u8 %r, [%in];", 0x80L),
        TestCase("ld.global.b8 %r, [%in];", 0x80L), TestCase("ld.global.s16 %r, [%in];", -0x7E80L),
        TestCase("ld.global.u16 %r, [%in];", 0x8180L), TestCase("ld.global.s32 %r, [%in];", -0x7C7D7E80L),
        TestCase("ld.global.u32 %r, [%in];", 0x83828180L), TestCase("ld.global.u8 %r, [%in+15];", 0x8FL),
        TestCase("add.u64 %in, %in, 8; ld.global.u8 %r, [%in+-7];", 0x81L),
        TestCase("ld.global.nc.u8 %r, [%in+1];", 0x81L), TestCase("ld.global.ca.u8 %r, [%in+1];", 0x81L),
        TestCase("ld.global.cg.u32 %r, [%in+4];", 0x87868584L), TestCase("ld.volatile.global.u8 %r, [%in+2];", 0x82L),
        TestCase("ld.u16 %r, [%in+2];", 0x8382L), TestCase("ldu.global.u16 %r, [%in+2];", 0x8382L),
        TestCase("ld.global.L1::no_allocate.u16 %r, [%in+2];", 0x8382L),
        TestCase("ld.relaxed.gpu.global.u16 %r, [%in+2];", 0x8382L),
        TestCase("ld.acquire.gpu.global.u16 %r, [%in+2];", 0x8382L)]
    public void A_narrow_load_is_extended_to_its_register(string load, long expected)
    {
        using KernelRun run = new($$"""
            .visible .entry extend(.param .u64 source, .param .u64 target)
            {
                .reg .b64 %in, %out, %r;
                ld.param.u64 %in, [source];
                ld.param.u64 %out, [target];
                {{load}}
                st.global.u64 [%out], %r;
                ret;
            }
            """);
        ulong target = run.Buffer(new long[1]);

        run.Launch(1, 1, run.Buffer(Enumerable.Range(0x80, 16).Select(value => (byte)value).ToArray()), target);

        Assert.That(run.Read<long>(target, 1)[0], Is.EqualTo(expected));
    }

    [TestCase("st.global.u8 [%out+1], %r;", 0x0000_0000_0000_EF00),
        TestCase("st.global.u16 [%out+6], %r;", unchecked((long)0xBEEF_0000_0000_0000)),
        TestCase("st.global.wb.u32 [%out], %r;", 0xDEAD_BEEF),
        TestCase("st.volatile.global.u32 [%out+4], %r;", unchecked((long)0xDEAD_BEEF_0000_0000)),
        TestCase("st.global.v2.u8 [%out+2], {%r, %r};", 0xEFEF_0000), TestCase("st.u8 [%out], %r;", 0xEF),
        TestCase("st.release.gpu.global.u8 [%out], %r;", 0xEF), TestCase("st.global.u32 [%out], 7;", 7)]
    public void A_narrow_store_writes_only_its_own_bytes(string store, long expected)
    {
        using KernelRun run = new($$"""
            .visible .entry narrow(.param .u64 target)
            {
                .reg .b64 %out;
                .reg .b32 %r;
                ld.param.u64 %out, [target];
                mov.u32 %r, 0xDEADBEEF;
                {{store}}
                ret;
            }
            """);
        ulong target = run.Buffer(new long[1]);

        run.Launch(1, 1, target);

        Assert.That(run.Read<long>(target, 1)[0], Is.EqualTo(expected));
    }

    [Test]
    public void Moves_pack_and_unpack_registers()
    {
        using KernelRun run = new("""
            .visible .entry pack(.param .u64 target)
            {
                .reg .b64 %out, %w;
                .reg .b32 %low, %high, %word;
                .reg .b16 %a, %b, %c, %d;
                .reg .f32 %f;
                ld.param.u64 %out, [target];
                mov.b64 %w, 0x0123456789ABCDEF;
                mov.b64 {%low, %high}, %w;
                mov.b64 %w, {%high, %low};
                st.global.u64 [%out], %w;
                mov.b32 {%a, %b}, %low;
                mov.b32 %word, {%b, %a};
                st.global.u32 [%out+8], %word;
                mov.b64 {%a, %b, %c, %d}, %w;
                mov.b64 %w, {%d, %c, %b, %a};
                st.global.u64 [%out+16], %w;
                mov.b32 %f, %high;
                mov.b32 %word, %f;
                st.global.u32 [%out+12], %word;
                mov.f32 %f, 0f3FC00000;
                st.global.f32 [%out+24], %f;
                mov.f32 %f, 1.25;
                st.global.f32 [%out+28], %f;
                ret;
            }
            """);
        ulong target = run.Buffer(new uint[8]);

        run.Launch(1, 1, target);

        Assert.That(run.Read<uint>(target, 8), Is.EqualTo(new uint[]
        {
            0x0123_4567, 0x89AB_CDEF, 0xCDEF_89AB, 0x0123_4567, 0xCDEF_89AB, 0x4567_0123, 0x3FC0_0000, 0x3FA0_0000,
        }));
    }
}
