namespace PtxEmulator.Tests;

/// <summary>Products whose matrices asynchronous copies bring into a ring of stages, as in a matrix product: the copy
/// of the next tile and one product are always in flight.</summary>
internal sealed class WgmmaPipelineTests
{
    private const int TileCount = 7;
    private const int TileBytes = 2560;

    private static readonly WgmmaLayout s_layoutA = new(3, false, 0, 16, 256);
    private static readonly WgmmaLayout s_layoutB = new(3, false, 2048, 16, 256);

    [Test]
    public void A_ring_of_three_stages_has_the_exact_sum([Values(1, 2, 3, 4, 5, 6)] int seed)
    {
        (byte[] image, float[,] expected) = Tiles();
        using KernelRun run = new(Text(3, 1), new() { Seed = (ulong)seed }, KernelRun.HopperHeader);
        ulong results = run.Buffer(new float[128 * 4]);

        run.Launch(new Dim3(1, 1, 1), new Dim3(128, 1, 1), 3 * TileBytes, run.Buffer(image), results);

        float[] d = run.Read<float>(results, 128 * 4);
        for (int row = 0; row < WgmmaCase.RowCount; row++)
        {
            for (int column = 0; column < 8; column++)
            {
                (int thread, int element) = WgmmaFragment.OfEight(row, column);
                Assert.That(d[(thread * 4) + element], Is.EqualTo(expected[row, column]), $"({row}, {column})");
            }
        }
    }

    /// <summary>A copy begins while a product may still read its stage: the ring is too short, or the wait too
    /// late.</summary>
    [TestCase(2, 1), TestCase(3, 2), TestCase(2, 2)]
    public void A_stage_that_is_filled_too_early_is_a_fault(int stageCount, int pendingGroups)
    {
        for (ulong seed = 0; seed < 6; seed++)
        {
            (byte[] image, _) = Tiles();
            using KernelRun run = new(Text(stageCount, pendingGroups), new() { Seed = seed }, KernelRun.HopperHeader);
            object[] arguments = [run.Buffer(image), run.Buffer(new float[128 * 4])];

            PtxFaultException error = Assert.Throws<PtxFaultException>(() => run.Launch(new Dim3(1, 1, 1),
                new Dim3(128, 1, 1), stageCount * TileBytes, arguments))!;

            Assert.That(error.Kind, Is.EqualTo(PtxFaultKind.WarpgroupNotWaited), error.Message);
            Assert.That(error.Instruction, Does.StartWith("cp.async"));
        }
    }

    /// <summary>The shared memory of each tile, and the sum of the products.</summary>
    private static (byte[] Image, float[,] Sum) Tiles()
    {
        Random random = new(5);
        byte[] image = new byte[TileCount * TileBytes];
        float[,] sum = new float[WgmmaCase.RowCount, 8];
        for (int tile = 0; tile < TileCount; tile++)
        {
            for (int k = 0; k < WgmmaCase.Depth; k++)
            {
                float[] b = [.. Enumerable.Range(0, 8).Select(column => Put(s_layoutB.AddressOf(column, k)))];
                for (int row = 0; row < WgmmaCase.RowCount; row++)
                {
                    float a = Put(s_layoutA.AddressOf(row, k));
                    for (int column = 0; column < 8; column++)
                        sum[row, column] += a * b[column];
                }
            }

            float Put(int address)
            {
                int value = random.Next(-9, 10);
                BitConverter.TryWriteBytes(image.AsSpan((tile * TileBytes) + address), (Half)value);
                return value;
            }
        }
        return (image, sum);
    }

    private static string Text(int stageCount, int pendingGroups)
    {
        string steps = string.Concat(Enumerable.Range(0, TileCount).Select(tile => $$"""
            cp.async.wait_group 0;
            fence.proxy.async;
            bar.sync 0;
            {{(tile + 1 < TileCount ? Copy(tile + 1) : "")}}
            mov.u64 %descA, 0x{{(s_layoutA.Descriptor + (ulong)(tile % stageCount * TileBytes / 16)):x}};
            mov.u64 %descB, 0x{{(s_layoutB.Descriptor + (ulong)(tile % stageCount * TileBytes / 16)):x}};
            {{(tile == 0 ? "wgmma.fence.sync.aligned;" : "")}}
            wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {%d0, %d1, %d2, %d3}, %descA, %descB, {{tile}},
                1, 1, 0, 0;
            wgmma.commit_group.sync.aligned;
            wgmma.wait_group.sync.aligned {{pendingGroups}};

            """));
        return $$"""
            .extern .shared .align 1024 .b8 memory[];
            .visible .entry pipeline(.param .u64 image, .param .u64 results)
            {
                .reg .pred %few;
                .reg .b32 %at, %i;
                .reg .f32 %d<4>;
                .reg .b64 %descA, %descB, %in, %out;
                mov.u32 %i, %tid.x;
                setp.lt.u32 %few, %i, 32;
                mov.u32 %at, memory;
                mad.lo.u32 %at, %i, 16, %at;
                ld.param.u64 %in, [image];
                mad.wide.u32 %in, %i, 16, %in;
                {{Copy(0)}}
                {{steps}}
                wgmma.wait_group.sync.aligned 0;
                ld.param.u64 %out, [results];
                mad.wide.u32 %out, %i, 16, %out;
                st.global.v4.f32 [%out], {%d0, %d1, %d2, %d3};
                ret;
            }
            """;

        string Copy(int tile)
        {
            int target = tile % stageCount * TileBytes;
            return $"""
                cp.async.cg.shared.global [%at+{target}], [%in+{tile * TileBytes}], 16;
                @%few cp.async.cg.shared.global [%at+{target + 2048}], [%in+{(tile * TileBytes) + 2048}], 16;
                cp.async.commit_group;
                """;
        }
    }
}
