namespace PtxEmulator.Tests;

/// <summary>PTX ISA 9.7.13: atom and red on one address, by many threads of many blocks.</summary>
internal sealed class AtomicTests
{
    private const int BlockCount = 7;
    private const int BlockSize = 96;
    private const int ThreadCount = BlockCount * BlockSize;

    private static readonly ulong[] s_numbers =
        [.. Enumerable.Range(0, ThreadCount).Select(index => (ulong)((index * 37) + 11))];

    private static IEnumerable<TestCaseData> Table()
    {
        // The operand of each thread is 37·thread + 11; the third value is the initial content of the address.
        yield return Row("add.u32", 32, 5, All(5, (x, y) => (uint)(x + y)));
        yield return Row("add.s32", 32, uint.MaxValue, All(uint.MaxValue, (x, y) => (uint)(x + y)));
        yield return Row("add.u64", 64, ulong.MaxValue, All(ulong.MaxValue, (x, y) => x + y));
        yield return Row("min.u32", 32, uint.MaxValue, 11);
        yield return Row("max.u32", 32, uint.MaxValue, uint.MaxValue);
        yield return Row("min.s32", 32, 0xFFFF_FFF0, 0xFFFF_FFF0);
        yield return Row("max.s32", 32, 0xFFFF_FFF0, (37 * (ThreadCount - 1)) + 11);
        yield return Row("min.u64", 64, ulong.MaxValue, 11);
        yield return Row("max.s64", 64, ulong.MaxValue, (37 * (ThreadCount - 1)) + 11);
        yield return Row("min.s64", 64, ulong.MaxValue, ulong.MaxValue);
        yield return Row("max.u64", 64, 12, (37 * (ThreadCount - 1)) + 11);
        yield return Row("and.b32", 32, 0xFFFF_F00F, All(0xFFFF_F00F, (x, y) => x & y));
        yield return Row("or.b32", 32, 0x10_0000, All(0x10_0000, (x, y) => x | y));
        yield return Row("xor.b32", 32, 0x10_0000, All(0x10_0000, (x, y) => x ^ y));
        yield return Row("and.b64", 64, ulong.MaxValue, All(ulong.MaxValue, (x, y) => x & y));
        yield return Row("or.b64", 64, 1UL << 63, All(1UL << 63, (x, y) => x | y));
        yield return Row("xor.b64", 64, 1UL << 63, All(1UL << 63, (x, y) => x ^ y));
        // Integers, so that the sum is exact in any order.
        yield return Row("add.f32", 32, BitConverter.SingleToUInt32Bits(0.5f),
            BitConverter.SingleToUInt32Bits(0.5f + s_numbers.Sum(x => (float)x)));
        yield return Row("add.f64", 64, BitConverter.DoubleToUInt64Bits(0.25),
            BitConverter.DoubleToUInt64Bits(0.25 + s_numbers.Sum(x => (double)x)));

        static TestCaseData Row(string operation, int bits, ulong initial, ulong expected) =>
            new(operation, bits, initial, expected);

        static ulong All(ulong initial, Func<ulong, ulong, ulong> combine) => s_numbers.Aggregate(initial, combine);
    }

    [TestCaseSource(nameof(Table))]
    public void An_atomic_combines_the_operands_of_all_threads(
        string operation, int bits, ulong initial, ulong expected)
    {
        foreach (string instruction in new[]
        {
            $"atom.global.{operation} %old, [%place], %x;", $"red.global.{operation} [%place], %x;",
            $"atom.{operation} %old, [%place], %x;", $"atom.relaxed.gpu.global.{operation} %old, [%place], %x;",
        })
        {
            using KernelRun run = new(Text(operation, bits, instruction));
            ulong place = run.Buffer(new[] { initial });

            run.Launch(BlockCount, BlockSize, run.Buffer(Operands(operation)), place);

            Assert.That(run.Read<ulong>(place, 1)[0], Is.EqualTo(expected), instruction);
        }
    }

    [TestCaseSource(nameof(Table))]
    public void A_shared_atomic_combines_the_operands_of_all_threads(
        string operation, int bits, ulong initial, ulong expected)
    {
        // One block with all threads: its result is equal to that of all blocks on global memory.
        using KernelRun run = new(Text(operation, bits, $$"""
            {
                .shared .align 8 .b8 tally[8];
                .reg .pred %p;
                .reg .b{{bits}} %v;
                setp.eq.u32 %p, %i, 0;
                @%p ld.global.b{{bits}} %v, [%place];
                @%p st.shared.b{{bits}} [tally], %v;
                bar.sync 0;
                atom.shared.{{operation}} %old, [tally], %x;
                bar.sync 0;
                @%p ld.shared.b{{bits}} %v, [tally];
                @%p st.global.b{{bits}} [%place], %v;
            }
            """));
        ulong place = run.Buffer(new[] { initial });

        run.Launch(1, ThreadCount, run.Buffer(Operands(operation)), place);

        Assert.That(run.Read<ulong>(place, 1)[0], Is.EqualTo(expected));
    }

    [Test]
    public void Every_thread_of_an_atomic_addition_sees_a_different_old_value()
    {
        int[] seen = Old("atom.global.add.u32 %old, [%place], 1;", out int final);

        Assert.That(seen.Order(), Is.EqualTo(Enumerable.Range(0, ThreadCount)));
        Assert.That(final, Is.EqualTo(ThreadCount));
    }

    [Test]
    public void Inc_wraps_to_zero_past_its_limit()
    {
        int[] seen = Old("atom.global.inc.u32 %old, [%place], 9;", out int final);

        Assert.That(seen.Order(), Is.EqualTo(Enumerable.Range(0, ThreadCount).Select(index => index % 10).Order()));
        Assert.That(final, Is.EqualTo(ThreadCount % 10));
    }

    [Test]
    public void Dec_wraps_to_its_limit_below_zero()
    {
        int[] seen = Old("atom.global.dec.u32 %old, [%place], 6;", out int final);

        // The values cycle: 0, 6, 5, 4, 3, 2, 1, 0, 6 ...
        Assert.That(seen.Order(),
            Is.EqualTo(Enumerable.Range(0, ThreadCount).Select(index => (7 - (index % 7)) % 7).Order()));
        Assert.That(final, Is.EqualTo((7 - (ThreadCount % 7)) % 7));
    }

    [Test]
    public void Exch_passes_each_value_to_the_next_thread()
    {
        int[] seen = Old("atom.global.exch.b32 %old, [%place], %number;", out int final);

        Assert.That(seen.Append(final).Order(), Is.EqualTo(Enumerable.Range(0, ThreadCount + 1)));
    }

    [Test]
    public void Cas_succeeds_in_one_thread()
    {
        int[] seen = Old("atom.global.cas.b32 %old, [%place], 0, %number;", out int final);

        Assert.That(seen.Count(old => old == 0), Is.EqualTo(1));
        Assert.That(seen.Where(old => old != 0), Is.All.EqualTo(final));
    }

    [Test]
    public void A_loop_around_cas_adds_for_every_thread() => Assert.That(Old("""
        ld.volatile.global.u32 %old, [%place];
        AGAIN:
        mov.u32 %before, %old;
        add.u32 %next, %before, 3;
        atom.global.cas.b32 %old, [%place], %before, %next;
        setp.ne.u32 %p, %old, %before;
        @%p bra AGAIN;
        """, out _).Order(), Is.EqualTo(Enumerable.Range(0, ThreadCount).Select(index => 3 * index)));

    [Test]
    public void Cas_of_64_bits_compares_all_bits()
    {
        using KernelRun run = new("""
            .visible .entry cas(.param .u64 place)
            {
                .reg .b64 %place, %old;
                ld.param.u64 %place, [place];
                atom.global.cas.b64 %old, [%place], 7, 9;
                st.global.u64 [%place+16], %old;
                atom.global.cas.b64 %old, [%place+8], 7, 9;
                st.global.u64 [%place+24], %old;
                atom.global.exch.b64 %old, [%place+32], 0x123456789ABC;
                st.global.u64 [%place+40], %old;
                ret;
            }
            """);
        ulong place = run.Buffer(new ulong[] { 7, 0x1_0000_0007, 0, 0, 5, 0 });

        run.Launch(1, 1, place);

        Assert.That(run.Read<ulong>(place, 6),
            Is.EqualTo(new ulong[] { 9, 0x1_0000_0007, 7, 0x1_0000_0007, 0x1234_5678_9ABC, 5 }));
    }

    [Test]
    public void A_fence_is_accepted() => Assert.That(
        Old("membar.gl; membar.cta; fence.acq_rel.gpu; fence.sc.cta; atom.global.add.u32 %old, [%place], 1;",
            out _).Sum(), Is.EqualTo(ThreadCount * (ThreadCount - 1) / 2));

    /// <summary>The old values that the threads see at an address that starts at 0; %number is the index of the
    /// thread plus 1.</summary>
    private static int[] Old(string instructions, out int final)
    {
        using KernelRun run = new($$"""
            .visible .entry old(.param .u64 place, .param .u64 results)
            {
                .reg .pred %p;
                .reg .b32 %i, %block, %number, %old, %before, %next;
                .reg .b64 %place, %out, %offset;
                mov.u32 %i, %tid.x;
                mov.u32 %block, %ctaid.x;
                mad.lo.u32 %i, %block, {{BlockSize}}, %i;
                add.u32 %number, %i, 1;
                ld.param.u64 %place, [place];
                {{instructions}}
                ld.param.u64 %out, [results];
                mul.wide.u32 %offset, %i, 4;
                add.u64 %out, %out, %offset;
                st.global.u32 [%out], %old;
                ret;
            }
            """);
        ulong place = run.Buffer(new int[1]);
        ulong results = run.Buffer(new int[ThreadCount]);
        run.Launch(BlockCount, BlockSize, place, results);
        final = run.Read<int>(place, 1)[0];
        return run.Read<int>(results, ThreadCount);
    }

    private static ulong[] Operands(string operation) => operation switch
    {
        "add.f32" => [.. s_numbers.Select(x => (ulong)BitConverter.SingleToUInt32Bits(x))],
        "add.f64" => [.. s_numbers.Select(x => BitConverter.DoubleToUInt64Bits(x))],
        _ => s_numbers,
    };

    private static string Text(string operation, int bits, string instructions) => $$"""
        .visible .entry atomic(.param .u64 operands, .param .u64 place)
        {
            .reg .b32 %i, %block, %count;
            .reg .b64 %place, %in, %offset;
            .reg .{{(operation.Contains('f', StringComparison.Ordinal) ? "f" : "b")}}{{bits}} %x, %old;
            mov.u32 %i, %tid.x;
            mov.u32 %block, %ctaid.x;
            mov.u32 %count, %ntid.x;
            mad.lo.u32 %i, %block, %count, %i;
            ld.param.u64 %in, [operands];
            mul.wide.u32 %offset, %i, 8;
            add.u64 %in, %in, %offset;
            ld.global.b{{bits}} %x, [%in];
            ld.param.u64 %place, [place];
            {{instructions}}
            ret;
        }
        """;
}
