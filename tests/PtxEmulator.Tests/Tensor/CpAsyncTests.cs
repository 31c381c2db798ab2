namespace PtxEmulator.Tests;

/// <summary>PTX ISA 9.7.9.25: cp.async, its groups and its waits.</summary>
internal sealed class CpAsyncTests
{
    private static readonly byte[] s_source = [.. Enumerable.Range(1, 64).Select(value => (byte)value)];

    [TestCase("cp.async.ca.shared.global [tile], [%in], 4;", 4),
        TestCase("cp.async.ca.shared.global [tile], [%in], 8;", 8),
        TestCase("cp.async.ca.shared.global [tile], [%in], 16;", 16),
        TestCase("cp.async.cg.shared.global [tile], [%in], 16;", 16),
        TestCase("cp.async.cg.shared.global.L2::128B [tile], [%in], 16;", 16)]
    public void A_copy_transfers_its_bytes(string copy, int count) =>
        Assert.That(Run($"{copy} cp.async.wait_all;"), Is.EqualTo(Expected((0, 0, count))));

    [TestCase(16, 16), TestCase(16, 12), TestCase(16, 1), TestCase(16, 0), TestCase(8, 5), TestCase(4, 0)]
    public void Bytes_beyond_the_source_size_are_zero(int count, int sourceCount)
    {
        byte[] result = Run($"""
            mov.u32 %n, {sourceCount};
            cp.async.ca.shared.global [tile], [%in], {count}, %n;
            cp.async.commit_group;
            cp.async.wait_group 0;
            """);

        byte[] expected = Expected((0, 0, sourceCount));
        expected.AsSpan(sourceCount, count - sourceCount).Clear();
        Assert.That(result, Is.EqualTo(expected));
    }

    /// <summary>After waiting until one group is left, the older groups are readable; %r keeps what was
    /// read.</summary>
    [Test]
    public void Groups_complete_in_order()
    {
        byte[] result = Run("""
            cp.async.ca.shared.global [tile], [%in], 16;
            cp.async.commit_group;
            cp.async.ca.shared.global [tile+16], [%in+16], 16;
            cp.async.commit_group;
            cp.async.ca.shared.global [tile+32], [%in+32], 16;
            cp.async.commit_group;
            cp.async.wait_group 1;
            ld.shared.b32 %r, [tile+28];
            cp.async.wait_group 0;
            st.shared.b32 [tile+48], %r;
            """);

        Assert.That(result, Is.EqualTo(Expected((0, 0, 48), (48, 28, 4))));
    }

    [Test]
    public void An_empty_group_counts_as_a_group()
    {
        byte[] result = Run("""
            cp.async.ca.shared.global [tile], [%in], 16;
            cp.async.commit_group;
            cp.async.commit_group;
            cp.async.wait_group 1;
            ld.shared.b32 %r, [tile];
            st.shared.b32 [tile+16], %r;
            """);

        Assert.That(result, Is.EqualTo(Expected((0, 0, 16), (16, 0, 4))));
    }

    [Test]
    public void Other_threads_may_read_after_a_wait_and_a_barrier()
    {
        using KernelRun run = new("""
            .visible .entry pass(.param .u64 source, .param .u64 target)
            {
                .shared .align 16 .b8 tile[1024];
                .reg .b32 %i, %mine, %other, %base, %r;
                .reg .b64 %in, %out, %offset;
                mov.u32 %i, %tid.x;
                mov.u32 %base, tile;
                mad.lo.u32 %mine, %i, 16, %base;
                ld.param.u64 %in, [source];
                mul.wide.u32 %offset, %i, 16;
                add.u64 %in, %in, %offset;
                cp.async.cg.shared.global [%mine], [%in], 16;
                cp.async.commit_group;
                cp.async.wait_group 0;
                bar.sync 0;
                xor.b32 %other, %i, 33;
                mad.lo.u32 %other, %other, 16, %base;
                ld.shared.u32 %r, [%other];
                ld.param.u64 %out, [target];
                mul.wide.u32 %offset, %i, 4;
                add.u64 %out, %out, %offset;
                st.global.u32 [%out], %r;
                ret;
            }
            """);
        ulong target = run.Buffer(new int[64]);

        run.Launch(1, 64, run.Buffer(Enumerable.Range(0, 256).ToArray()), target);

        Assert.That(run.Read<int>(target, 64), Is.EqualTo(Enumerable.Range(0, 64).Select(i => 4 * (i ^ 33))));
    }

    /// <summary>64 bytes of 0xEE except for the copied ranges: target, source, count.</summary>
    private static byte[] Expected(params (int Target, int Source, int Count)[] copies)
    {
        byte[] bytes = new byte[64];
        Array.Fill(bytes, (byte)0xEE);
        foreach ((int target, int source, int count) in copies)
            s_source.AsSpan(source, count).CopyTo(bytes.AsSpan(target));
        return bytes;
    }

    /// <summary>Runs the instructions in one thread with 64 bytes of shared memory, each initially 0xEE.</summary>
    private static byte[] Run(string instructions)
    {
        string fill = string.Concat(Enumerable.Range(0, 16).Select(word =>
            $"st.shared.b32 [tile+{4 * word}], 0xEEEEEEEE;\n"));
        string store = string.Concat(Enumerable.Range(0, 16).Select(
            word => $"ld.shared.b32 %r, [tile+{4 * word}]; st.global.b32 [%out+{4 * word}], %r;\n"));
        using KernelRun run = new($$"""
            .visible .entry copy(.param .u64 source, .param .u64 target)
            {
                .shared .align 16 .b8 tile[64];
                .reg .b32 %n, %r;
                .reg .b64 %in, %out;
                ld.param.u64 %in, [source];
                ld.param.u64 %out, [target];
                {{fill}}
                {{instructions}}
                {{store}}
                ret;
            }
            """);
        ulong target = run.Buffer(new byte[64]);
        run.Launch(1, 1, run.Buffer(s_source), target);
        return run.Read<byte>(target, 64);
    }
}
