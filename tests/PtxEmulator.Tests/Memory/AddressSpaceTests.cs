namespace PtxEmulator.Tests;

/// <summary>Variables, parameters, dynamic shared memory and generic addresses.</summary>
internal sealed class AddressSpaceTests
{
    [Test]
    public void A_generic_address_reaches_every_space()
    {
        using KernelRun run = new("""
            .const .align 4 .b32 fixed[4] = {11, 22, 33, 44};
            .global .align 4 .u32 counted = 55;
            .visible .entry generic(.param .u64 target)
            {
                .shared .align 4 .b8 tile[16];
                .local .align 4 .b8 own[16];
                .reg .b64 %out, %a, %g;
                .reg .b32 %r, %t;
                ld.param.u64 %out, [target];
                cvta.to.global.u64 %a, %out;
                cvta.global.u64 %out, %a;
                mov.u32 %r, 66;
                st.shared.u32 [tile+8], %r;
                mov.u64 %a, tile;
                cvta.shared.u64 %g, %a;
                ld.u32 %r, [%g+8];
                st.u32 [%out], %r;
                mov.u32 %t, 77;
                st.u32 [%g+12], %t;
                cvta.to.shared.u64 %a, %g;
                ld.shared.u32 %r, [%a+12];
                st.global.u32 [%out+4], %r;
                mov.u32 %r, 88;
                st.local.u32 [own+4], %r;
                mov.u64 %a, own;
                cvta.local.u64 %g, %a;
                ld.u32 %r, [%g+4];
                st.u32 [%out+8], %r;
                cvta.to.local.u64 %a, %g;
                st.u32 [%g], %r;
                ld.local.u32 %r, [%a];
                st.global.u32 [%out+12], %r;
                mov.u64 %a, fixed;
                cvta.const.u64 %g, %a;
                ld.u32 %r, [%g+4];
                st.u32 [%out+16], %r;
                ld.const.u32 %r, [fixed+12];
                st.global.u32 [%out+20], %r;
                mov.u64 %a, counted;
                cvta.global.u64 %g, %a;
                ld.u32 %r, [%g];
                st.u32 [%out+24], %r;
                ld.global.u32 %r, [counted];
                st.global.u32 [%out+28], %r;
                ret;
            }
            """);
        ulong target = run.Buffer(new int[8]);

        run.Launch(1, 1, target);

        Assert.That(run.Read<int>(target, 8), Is.EqualTo(new[] { 66, 77, 88, 88, 22, 44, 55, 55 }));
    }

    [Test]
    public void Isspacep_distinguishes_the_state_spaces()
    {
        using KernelRun run = new("""
            .visible .entry which(.param .u64 target)
            {
                .shared .align 4 .b8 tile[16];
                .local .align 4 .b8 own[16];
                .reg .pred %p;
                .reg .b64 %out, %s, %l;
                .reg .b32 %r;
                ld.param.u64 %out, [target];
                mov.u64 %s, tile;
                cvta.shared.u64 %s, %s;
                mov.u64 %l, own;
                cvta.local.u64 %l, %l;
                isspacep.shared %p, %s;
                selp.u32 %r, 1, 0, %p;
                st.global.u32 [%out], %r;
                isspacep.global %p, %s;
                selp.u32 %r, 1, 0, %p;
                st.global.u32 [%out+4], %r;
                isspacep.local %p, %l;
                selp.u32 %r, 1, 0, %p;
                st.global.u32 [%out+8], %r;
                isspacep.global %p, %out;
                selp.u32 %r, 1, 0, %p;
                st.global.u32 [%out+12], %r;
                isspacep.shared %p, %out;
                selp.u32 %r, 1, 0, %p;
                st.global.u32 [%out+16], %r;
                ret;
            }
            """);
        ulong target = run.Buffer(new int[5]);

        run.Launch(1, 1, target);

        Assert.That(run.Read<int>(target, 5), Is.EqualTo(new[] { 1, 0, 1, 1, 0 }));
    }

    [Test]
    public void Variables_of_every_type_can_be_initialised()
    {
        using KernelRun run = new("""
            .const .align 4 .f32 floats[3] = {0f3FC00000, 2.5, 0f40400000};
            .const .align 8 .f64 doubles[2] = {0d3FF8000000000000, 4.5};
            .const .align 2 .u16 shorts[4] = {1, 0xFFFF, 3};
            .global .align 1 .b8 bytes[4] = {1, 2, 255, 4};
            .const .align 4 .s32 negative[2] = {-5, 6};
            .global .align 8 .u64 large = 0x0123456789ABCDEF;
            .global .align 4 .b32 zeros[2];
            .const .align 4 .u32 single = 12;
            .visible .entry read(.param .u64 target)
            {
                .reg .b64 %out, %w;
                .reg .b32 %r;
                .reg .f64 %d;
                ld.param.u64 %out, [target];
                ld.const.f32 %r, [floats+4];
                st.global.b32 [%out], %r;
                ld.const.u16 %r, [shorts+2];
                st.global.b32 [%out+4], %r;
                ld.const.f64 %d, [doubles+8];
                st.global.f64 [%out+8], %d;
                ld.global.u64 %w, [large];
                st.global.u64 [%out+16], %w;
                ld.const.u16 %r, [shorts+6];
                st.global.b32 [%out+24], %r;
                ld.global.u8 %r, [bytes+2];
                st.global.b32 [%out+28], %r;
                ld.const.s32 %r, [negative];
                st.global.b32 [%out+32], %r;
                ld.global.u32 %r, [zeros+4];
                st.global.b32 [%out+36], %r;
                ld.const.u32 %r, [single];
                st.global.b32 [%out+40], %r;
                ret;
            }
            """);
        ulong target = run.Buffer(new uint[11]);

        run.Launch(1, 1, target);

        Assert.That(run.Read<uint>(target, 11), Is.EqualTo(new uint[]
        {
            0x4020_0000, 0xFFFF, 0, 0x4012_0000, 0x89AB_CDEF, 0x0123_4567, 0, 255, 0xFFFF_FFFB, 0, 12,
        }));
    }

    [Test]
    public void A_module_variable_keeps_its_value_between_launches()
    {
        using KernelRun run = new("""
            .global .align 4 .u32 launches = 3;
            .visible .entry count(.param .u64 target)
            {
                .reg .b64 %out;
                .reg .b32 %r;
                ld.param.u64 %out, [target];
                ld.global.u32 %r, [launches];
                add.u32 %r, %r, 1;
                st.global.u32 [launches], %r;
                st.global.u32 [%out], %r;
                ret;
            }
            """);
        ulong target = run.Buffer(new int[1]);

        run.Launch(1, 1, target);
        run.Launch(1, 1, target);

        Assert.That(run.Read<int>(target, 1)[0], Is.EqualTo(5));
    }

    [Test]
    public void Dynamic_shared_memory_follows_static_shared_memory()
    {
        using KernelRun run = new("""
            .extern .shared .align 16 .b8 dynamic[];
            .visible .entry both(.param .u64 target, .param .u32 count)
            {
                .shared .align 4 .b8 fixed[20];
                .reg .pred %p;
                .reg .b64 %out, %offset;
                .reg .b32 %i, %n, %at, %r, %base, %five;
                mov.u32 %i, %tid.x;
                ld.param.u32 %n, [count];
                mov.u32 %base, dynamic;
                shl.b32 %at, %i, 2;
                add.u32 %at, %at, %base;
                st.shared.u32 [%at], %i;
                setp.lt.u32 %p, %i, 5;
                mov.u32 %r, fixed;
                shl.b32 %five, %i, 2;
                add.u32 %five, %five, %r;
                @%p st.shared.u32 [%five], 1000;
                bar.sync 0;
                sub.u32 %r, %n, %i;
                sub.u32 %r, %r, 1;
                shl.b32 %r, %r, 2;
                add.u32 %r, %r, %base;
                ld.shared.u32 %r, [%r];
                ld.param.u64 %out, [target];
                mul.wide.u32 %offset, %i, 4;
                add.u64 %out, %out, %offset;
                @%p ld.shared.u32 %five, [%five];
                @%p add.u32 %r, %r, %five;
                st.global.u32 [%out], %r;
                ret;
            }
            """);
        ulong target = run.Buffer(new int[96]);

        run.Launch(new Dim3(1), new Dim3(96), 96 * 4, target, 96);

        Assert.That(run.Read<int>(target, 96),
            Is.EqualTo(Enumerable.Range(0, 96).Select(i => 95 - i + (i < 5 ? 1000 : 0))));
    }

    [Test]
    public void Shared_memory_is_per_block_and_local_memory_per_thread()
    {
        using KernelRun run = new("""
            .visible .entry own(.param .u64 target)
            {
                .shared .align 4 .b8 tile[128];
                .local .align 4 .b8 mine[8];
                .reg .b64 %out, %offset;
                .reg .b32 %i, %block, %flat, %at, %r, %s;
                mov.u32 %i, %tid.x;
                mov.u32 %block, %ctaid.x;
                mad.lo.u32 %flat, %block, 32, %i;
                mov.u32 %at, tile;
                mad.lo.u32 %at, %i, 4, %at;
                st.shared.u32 [%at], %flat;
                st.local.u32 [mine+4], %flat;
                bar.sync 0;
                ld.shared.u32 %r, [%at];
                ld.local.u32 %s, [mine+4];
                add.u32 %r, %r, %s;
                ld.param.u64 %out, [target];
                mul.wide.u32 %offset, %flat, 4;
                add.u64 %out, %out, %offset;
                st.global.u32 [%out], %r;
                ret;
            }
            """);
        ulong target = run.Buffer(new int[8 * 32]);

        run.Launch(8, 32, target);

        Assert.That(run.Read<int>(target, 8 * 32), Is.EqualTo(Enumerable.Range(0, 8 * 32).Select(i => 2 * i)));
    }

    [Test]
    public void Parameters_are_at_multiples_of_their_size()
    {
        using KernelRun run = new("""
            .visible .entry parameters(.param .u8 small, .param .u16 short, .param .f32 single,
                .param .align 8 .b8 view[16], .param .u32 last, .param .f64 double)
            {
                .reg .b64 %out, %w;
                .reg .b32 %r, %x, %y;
                ld.param.u64 %out, [view];
                ld.param.u8 %r, [small];
                st.global.u32 [%out], %r;
                ld.param.s16 %r, [short];
                st.global.u32 [%out+4], %r;
                ld.param.f32 %r, [single];
                st.global.u32 [%out+8], %r;
                ld.param.v2.u32 {%x, %y}, [view+8];
                st.global.u32 [%out+12], %y;
                ld.param.u32 %r, [last];
                st.global.u32 [%out+16], %r;
                st.global.u32 [%out+20], %x;
                ld.param.f64 %w, [double];
                st.global.u64 [%out+24], %w;
                ret;
            }
            """);
        ulong target = run.Buffer(new uint[8]);

        run.Launch(1, 1, 0xFFFE_00FAu, 1.5f, target, 0x0000_0009_0000_0008, 31, 2.5);

        Assert.That(run.Read<uint>(target, 8),
            Is.EqualTo(new uint[] { 0xFA, 0xFFFF_FFFE, 0x3FC0_0000, 9, 31, 8, 0, 0x4004_0000 }));
    }

    [Test]
    public void The_parameters_of_an_entry_are_described()
    {
        PtxModule module = PtxModule.Parse(KernelRun.Header + """
            .visible .entry first(.param .u32 count, .param .u64 source, .param .align 16 .b8 view[24], .param .u8 flag)
            {
                ret;
            }
            .visible .entry second()
            {
                .shared .align 16 .b8 tile[100];
                .reg .b32 %r;
                mov.u32 %r, tile;
                ret;
            }
            """);

        Assert.That(module.Entries.Keys, Is.EquivalentTo(new[] { "first", "second" }));
        Assert.That(module.Entries["first"].Parameters, Is.EqualTo(new PtxParameter[]
        {
            new("count", 0, 4), new("source", 8, 8), new("view", 16, 24), new("flag", 40, 1),
        }));
        Assert.That(module.Entries["second"].Parameters, Is.Empty);
        Assert.That(module.Entries["second"].StaticSharedBytes, Is.EqualTo(100));
    }
}
