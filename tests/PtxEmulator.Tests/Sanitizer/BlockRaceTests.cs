namespace PtxEmulator.Tests;

/// <summary>Two blocks of a launch that access the same bytes of global memory, one of them writing, are reported.
/// Thread 0 of block 1 is at fault.</summary>
internal sealed class BlockRaceTests
{
    private static readonly (string Name, string Wrong, string Right)[] s_cases =
    [
        ("two blocks write a word", "@%p st.global.u32 [%data], 7;", "@%p st.global.u32 [%mine], 7;"),
        ("a block reads another's word", "st.global.u32 [%mine], 7;\n@%p ld.global.u32 %r, [%data];",
            "st.global.u32 [%mine], 7;\n@%p ld.global.u32 %r, [%mine];"),
        ("a block writes what another reads", "@%p ld.global.u32 %r, [%data+256];\n@%p st.global.u32 [%mine], 7;",
            "@%p ld.global.u32 %r, [%data+512];\n@%p st.global.u32 [%mine], 7;"),
        ("a block writes what many read", "ld.global.u32 %r, [%data+256];\nst.global.u32 [%mine], 7;",
            "ld.global.u32 %r, [%data+512];\nst.global.u32 [%mine], 7;"),
        ("neighbours read another block's words", "st.global.u32 [%mine], 7;\nld.global.u32 %r, [%row];",
            "st.global.u32 [%mine], 7;\nld.global.u32 %r, [%mine];"),
        ("neighbours write another block's words", "st.global.u32 [%row], 7;", "st.global.u32 [%mine], 7;"),
        ("a store beside an atomic", "@%p red.global.add.u32 [%data], 1;\n@%p st.global.u32 [%data], 7;",
            "@%p red.global.add.u32 [%data], 1;\n@%p st.global.u32 [%mine+512], 7;"),
        ("a load beside an atomic", "@%p red.global.add.u32 [%data], 1;\n@%p ld.global.u32 %r, [%data];",
            "@%p red.global.add.u32 [%data], 1;\n@%p atom.global.add.u32 %r, [%data], 1;"),
        ("a half of a word", "@%p st.global.u16 [%data], 7;", "@%p st.global.u16 [%half], 7;"),
        ("an asynchronous copy of another block's word",
            "st.global.u32 [%mine], 7;\ncp.async.ca.shared.global [tile], [%data], 4;\ncp.async.wait_all;",
            "st.global.u32 [%mine], 7;\ncp.async.ca.shared.global [tile], [%data+512], 4;\ncp.async.wait_all;"),
    ];

    private static IEnumerable<TestCaseData> Cases() => s_cases.Select(item
        => new TestCaseData(item.Wrong, item.Right).SetArgDisplayNames(item.Name));

    [TestCaseSource(nameof(Cases))]
    public void A_race_between_blocks_is_reported(string wrong, string right)
    {
        Assert.That(right, Is.Not.EqualTo(wrong));
        using KernelRun run = new(Text(wrong), new() { Workers = 1 });
        ulong data = run.Buffer(new int[192], "data");

        PtxFaultException error = Assert.Throws<PtxFaultException>(() => run.Launch(2, 64, data))!;

        Assert.That(error.Kind, Is.EqualTo(PtxFaultKind.BlockRace), error.Message);
        Assert.That(error.Block, Is.EqualTo(new Dim3(1, 0, 0)), error.Message);
        Assert.That(error.Thread, Is.EqualTo(new Dim3(0, 0, 0)), error.Message);
        Assert.That(error.Address, Is.EqualTo(data).Or.EqualTo(data + 256), error.Message);
        Assert.That(error.Message, Does.Contain("'data'"));
        Assert.That(error.Message, Does.Contain($"block {new Dim3(0, 0, 0)}").Or.Contain("other blocks"));
    }

    [TestCaseSource(nameof(Cases))]
    public void A_race_between_blocks_is_found_by_any_number_of_workers(string wrong, string right)
    {
        Assert.That(right, Is.Not.EqualTo(wrong));
        using KernelRun run = new(Text(wrong), new() { Workers = 3 });
        ulong data = run.Buffer(new int[64 * 20]);

        Assert.That(Assert.Throws<PtxFaultException>(() => run.Launch(19, 64, data))!.Kind,
            Is.EqualTo(PtxFaultKind.BlockRace));
    }

    [TestCaseSource(nameof(Cases))]
    public void Blocks_without_a_race_run(string wrong, string right)
    {
        Assert.That(right, Is.Not.EqualTo(wrong));
        using KernelRun run = new(Text(right), new() { Workers = 2 });

        run.Launch(2, 64, run.Buffer(new int[64 * 5]));
    }

    /// <summary>Each launch starts after the one before it.</summary>
    [Test]
    public void Launches_do_not_race_with_each_other()
    {
        using KernelRun run = new(Text("st.global.u32 [%mine], 7;"));
        ulong data = run.Buffer(new int[192]);

        run.Launch(2, 64, data);
        run.Launch(2, 64, data + 4);
        run.Launch(1, 64, data);

        Assert.That(run.Read<int>(data, 129), Is.All.EqualTo(7));
    }

    private static string Text(string instructions) => $$"""
        .visible .entry blocks(.param .u64 data)
        {
            .shared .align 16 .b8 tile[16];
            .reg .pred %p;
            .reg .b32 %i, %block, %flat, %r;
            .reg .b64 %data, %mine, %row, %half;
            mov.u32 %i, %tid.x;
            mov.u32 %block, %ctaid.x;
            mad.lo.u32 %flat, %block, 64, %i;
            setp.eq.u32 %p, %i, 0;
            ld.param.u64 %data, [data];
            mad.wide.u32 %mine, %flat, 4, %data;
            mad.wide.u32 %row, %i, 4, %data;
            mad.wide.u32 %half, %block, 2, %data;
            {{instructions.Replace("cp.async.ca", "@%p cp.async.ca", StringComparison.Ordinal)}}
            ret;
        }
        """;
}
